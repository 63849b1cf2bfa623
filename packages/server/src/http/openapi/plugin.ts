import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Endpoint } from '../endpoint.ts';
import { answerOtherMethods } from '../methods.ts';
import { pathOf } from '../pipeline.ts';
import { openApiDocument } from './document.ts';
import { answerFile, publicFile, type PublicFile } from './files.ts';
import { documentationPage } from './page.ts';

/** Where the OpenAPI document is served, and the page to read and try it. */
export const OPENAPI_PATH = `${LINKSPAN_V1}/openapi.json`;
export const DOCS_PATH = `${LINKSPAN_V1}/docs`;

/**
 * The OpenAPI document and its page, for everybody: neither holds a secret. Both are made when they
 * are first asked for.
 */
export function openApiPlugin(endpoints: readonly Endpoint[]): FastifyPluginAsync {
  const document = once(() =>
    publicFile(Buffer.from(JSON.stringify(openApiDocument(endpoints))), 'application/json', {
      'Cache-Control': 'public, no-cache',
    }),
  );
  const documentation = once(documentationPage);
  return async (app) => {
    serve(app, OPENAPI_PATH, () => document());
    serve(app, DOCS_PATH, () => documentation().page);
    serve(app, `${DOCS_PATH}/:file`, (request) =>
      documentation().files.get((request.params as { readonly file: string }).file),
    );
  };
}

function serve(
  app: FastifyInstance,
  url: string,
  find: (request: FastifyRequest) => PublicFile | undefined,
): void {
  const methods = ['GET', 'HEAD'];
  app.route({
    method: methods,
    url,
    handler: async (request: FastifyRequest, reply: FastifyReply) => {
      // The names in the page are relative to its own, which has no slash at its end.
      const path = pathOf(request);
      if (path.endsWith('/')) return reply.redirect(path.slice(0, -1), 308);
      const file = find(request);
      if (file === undefined) throw apiError('RESOURCE_NOT_FOUND', path);
      return answerFile(file, request, reply);
    },
  });
  answerOtherMethods(app, url.replaceAll(/:\w+/g, ':'), new Set([...methods, 'OPTIONS']));
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
