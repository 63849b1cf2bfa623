import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
  type HTTPMethods,
} from 'fastify';
import { PUSH_BASE } from '@linkspan/contract/push/version.ts';
import { apiError } from '../domain/apiError.ts';
import { MAX_API_BODY_BYTES } from './body.ts';
import type { Endpoint } from './endpoint.ts';
import { answerError, answerMalformed } from './errors.ts';
import { pathOf, Pipeline, type PipelineDependencies } from './pipeline.ts';
import { API_BASES } from './version.ts';

export interface HttpDependencies extends PipelineDependencies {
  readonly endpoints: readonly Endpoint[];
  /** The gateway's routes, served below the push protocol's base; absent in tests of the API. */
  readonly gateway: FastifyPluginAsync | null;
  readonly logger: FastifyBaseLogger;
  /** Proxies whose `X-Forwarded-For` tells where a request comes from: normalised CIDR blocks. */
  readonly trustedProxies: readonly string[];
}

/** The longest that a request may take to arrive whole, in milliseconds. */
const REQUEST_TIMEOUT_MS = 300_000;

const METHODS: readonly HTTPMethods[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
];

/** The HTTP server, not listening yet. */
export async function createHttpServer(dependencies: HttpDependencies): Promise<FastifyInstance> {
  const { nonces } = dependencies;
  const app: FastifyInstance = Fastify({
    loggerInstance: dependencies.logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 1000 },
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: dependencies.trustedProxies.length > 0 && [...dependencies.trustedProxies],
    clientErrorHandler: (_error, socket) => answerMalformed(socket),
    frameworkErrors: (error, request, reply) => {
      void answerError(error, request, reply, nonces);
    },
  });
  app.setErrorHandler<Error>((error, request, reply) => answerError(error, request, reply, nonces));
  app.setNotFoundHandler(async (request) => {
    throw apiError('RESOURCE_NOT_FOUND', pathOf(request));
  });
  await app.register(apiPlugin(dependencies));
  if (dependencies.gateway !== null) {
    await app.register(dependencies.gateway, { prefix: PUSH_BASE });
  }
  return app;
}

/** All operations at all of their bases. Bodies stay bytes until the request is admitted. */
function apiPlugin(dependencies: HttpDependencies): FastifyPluginAsync {
  const pipeline = new Pipeline(dependencies);
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: MAX_API_BODY_BYTES },
      (_request, body, done) => done(null, body),
    );
    for (const base of API_BASES) {
      const methods = new Map<string, Set<HTTPMethods>>();
      for (const endpoint of dependencies.endpoints) {
        if (endpoint.api !== base.api) continue;
        const url = base.path + endpoint.path;
        // Whoever may GET may ask for the headers alone (RFC 9110, section 9.1).
        const answered: HTTPMethods[] =
          endpoint.method === 'GET' ? ['GET', 'HEAD'] : [endpoint.method];
        const known = methods.get(url) ?? new Set();
        methods.set(url, known);
        for (const method of answered) known.add(method);
        app.route({
          method: answered,
          url,
          onRequest: (request, reply) => pipeline.admit(endpoint, base, request, reply),
          handler: (request, reply) => pipeline.run(endpoint, base, request, reply),
        });
      }
      for (const [url, known] of methods) {
        app.route({
          method: METHODS.filter((method) => !known.has(method)),
          url,
          onRequest: async (request, reply) => {
            reply.header('Allow', [...known].join(', '));
            throw apiError('METHOD_NOT_ALLOWED', request.method, pathOf(request));
          },
          handler: () => undefined,
        });
      }
    }
  };
}
