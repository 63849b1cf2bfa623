import { METHODS } from 'node:http';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyPluginAsync,
} from 'fastify';
import { PUSH_BASE } from '@linkspan/contract/push/version.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { MAX_API_BODY_BYTES } from '@linkspan/contract/serving/body.ts';
import { originForm } from '@linkspan/contract/serving/digest.ts';
import { answerMalformed } from '@linkspan/contract/serving/malformed.ts';
import { SECURITY_HEADERS } from '@linkspan/contract/serving/presentation.ts';
import { isLast, readAway } from '@linkspan/contract/serving/unread.ts';
import type { Certificates } from './certificates.ts';
import type { Endpoint } from './endpoint.ts';
import { answerError, MAX_PATH_PARAMETER } from './errors.ts';
import { type Health, healthPlugin } from './health.ts';
import { answerOtherMethods } from './methods.ts';
import { openApiPlugin } from './openapi/plugin.ts';
import { OAUTH_BASE, type OAuthDependencies, oauthPlugin } from './oauth/plugin.ts';
import { pathOf, Pipeline, type PipelineDependencies } from './pipeline.ts';
import { API_BASES, isServedAt } from './version.ts';

export interface HttpDependencies extends PipelineDependencies, OAuthDependencies {
  readonly endpoints: readonly Endpoint[];
  /** The gateway's routes, served below the push protocol's base; absent in tests of the API. */
  readonly gateway: FastifyPluginAsync | null;
  readonly health: Health;
  readonly logger: FastifyBaseLogger;
  /** Proxies whose `X-Forwarded-For` tells where a request comes from: normalised CIDR blocks. */
  readonly trustedProxies: readonly string[];
  /** null: plain http. */
  readonly certificates: Certificates | null;
  /** Connections at once; more are closed as they come. */
  readonly maxConnections: number;
  /** For tests. */
  readonly headersTimeoutMs?: number;
}

/**
 * A connection on which no whole header has come for so long is closed, in milliseconds; so is one that
 * sends nothing at all.
 */
const HEADERS_TIMEOUT_MS = 20_000;

/**
 * The longest that a request may take to arrive whole, in milliseconds: the largest batch over a
 * link of 20 KB a second does. Bodies that stand still are ended long before (`gateway/body.ts`).
 */
const REQUEST_TIMEOUT_MS = 15 * 60_000;

/** The HTTP server, not listening yet. */
export async function createHttpServer(dependencies: HttpDependencies): Promise<FastifyInstance> {
  const { nonces, certificates, headersTimeoutMs = HEADERS_TIMEOUT_MS } = dependencies;
  const arrival = {
    headersTimeout: headersTimeoutMs,
    connectionsCheckingInterval: headersTimeoutMs / 4,
  };
  const app = Fastify({
    ...(certificates === null
      ? { http: arrival }
      : { https: { ...certificates.serverOptions(), ...arrival } }),
    loggerInstance: dependencies.logger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    // Clients of Atlas are known to write /orgs/ for /orgs.
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER, ignoreTrailingSlash: true },
    exposeHeadRoutes: false,
    rewriteUrl: ({ url = '/' }) => originForm(url),
    requestTimeout: REQUEST_TIMEOUT_MS,
    trustProxy: dependencies.trustedProxies.length > 0 && [...dependencies.trustedProxies],
    clientErrorHandler: (error, socket) => answerMalformed(socket, error.code),
    frameworkErrors: (error, request, reply) => {
      void answerError(error, request, reply, nonces);
    },
    // Its server is one of node:https or node:http: what is used of it, both have.
  }) as unknown as FastifyInstance;
  app.server.maxConnections = dependencies.maxConnections;
  app.setErrorHandler<Error>((error, request, reply) => answerError(error, request, reply, nonces));
  // Those of WebDAV and others: a method that a path does not know is no unknown path.
  for (const method of METHODS) {
    if (!app.supportedMethods.includes(method) && method !== 'CONNECT') app.addHttpMethod(method);
  }
  app.setNotFoundHandler(async (request, reply) => {
    reply.headers(SECURITY_HEADERS);
    throw apiError('RESOURCE_NOT_FOUND', pathOf(request));
  });
  // Atlas names its server on every answer (recorded); clients log it.
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('Server', 'linkspan');
  });
  app.addHook('onSend', async (request, reply) => {
    // Who comes again over a new connection reaches another node.
    if (dependencies.health.isDraining()) reply.header('connection', 'close');
    const closes = isLast(request.raw) || reply.getHeader('connection') === 'close';
    if (closes) await readAway(request.raw);
  });
  // Node would answer 417 without a body; an expectation may be ignored (RFC 9110, section 10.1.1).
  app.server.on('checkExpectation', (request, response) => {
    app.server.emit('request', request, response);
  });
  await app.register(apiPlugin(dependencies));
  await app.register(healthPlugin(dependencies.health));
  await app.register(openApiPlugin(dependencies.endpoints));
  await app.register(oauthPlugin(dependencies), { prefix: OAUTH_BASE });
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
      const methods = new Map<string, Set<string>>();
      for (const endpoint of dependencies.endpoints) {
        if (!isServedAt(endpoint, base)) continue;
        // Whoever may GET may ask for the headers alone (RFC 9110, section 9.1).
        const answered = endpoint.method === 'GET' ? ['GET', 'HEAD'] : [endpoint.method];
        const url = (base.path + endpoint.path).replaceAll(/\{(\w+)\}/g, ':$1');
        const shape = url.replaceAll(/:\w+/g, ':');
        const known = methods.get(shape) ?? new Set(['OPTIONS']);
        methods.set(shape, known);
        for (const method of answered) known.add(method);
        app.route({
          method: answered,
          url,
          onRequest: (request, reply) => pipeline.admit(endpoint, base, request, reply),
          handler: (request, reply) => pipeline.run(endpoint, base, request, reply),
        });
      }
      for (const [shape, known] of methods) answerOtherMethods(app, shape, known);
    }
  };
}
