import type { FastifyInstance } from 'fastify';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { SECURITY_HEADERS } from '@linkspan/contract/serving/presentation.ts';
import { pathOf } from './pipeline.ts';

/**
 * OPTIONS tells what a path answers (RFC 9110, section 9.3.7); every other method is refused.
 * @param shape a path whose parameters are nameless colons, since routes may name them differently
 */
export function answerOtherMethods(
  app: FastifyInstance,
  shape: string,
  known: ReadonlySet<string>,
): void {
  let position = 0;
  const url = shape.replaceAll(':', () => `:p${position++}`);
  const headers = { ...SECURITY_HEADERS, Allow: [...known].toSorted().join(', ') };
  app.route({
    method: 'OPTIONS',
    url,
    handler: async (_request, reply) => reply.code(204).headers(headers).send(),
  });
  app.route({
    method: app.supportedMethods.filter((method) => !known.has(method)),
    url,
    onRequest: async (request, reply) => {
      reply.headers(headers);
      throw apiError('METHOD_NOT_ALLOWED', request.method, pathOf(request));
    },
    handler: () => undefined,
  });
}
