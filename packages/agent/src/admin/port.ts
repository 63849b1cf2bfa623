import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';

import { ConfigurationError, flagOf } from '@linkspan/contract/options/declare.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { checkBody, MAX_API_BODY_BYTES, parseJson } from '@linkspan/contract/serving/body.ts';
import { cutConnections } from '@linkspan/contract/serving/closing.ts';
import { ChallengeError, verifyDigest } from '@linkspan/contract/serving/digest.ts';
import { answerMalformed } from '@linkspan/contract/serving/malformed.ts';
import { Nonces } from '@linkspan/contract/serving/nonces.ts';
import {
  checkPresentation,
  presentationOf,
  queryOf,
  SECURITY_HEADERS,
  writeAnswer,
} from '@linkspan/contract/serving/presentation.ts';
import { readAway } from '@linkspan/contract/serving/unread.ts';
import Fastify, {
  LogController,
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type HTTPMethods,
} from 'fastify';
import type { Logger } from 'pino';

import type { AdminConfig } from '../config/admin.ts';
import { isLoopback } from '../link/loopback.ts';
import { answerError, MAX_PATH_PARAMETER } from './answers.ts';
import { liveExportOperations, type LiveExport, type Operation } from './liveExport.ts';

const BASE = '/api/public/v1.0/orgs/:orgId/liveExport';
const METHODS: readonly HTTPMethods[] = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
];

/** The longest that a request may take to arrive whole, in milliseconds. */
const REQUEST_TIMEOUT_MS = 30_000;

/** A connection on which no whole header has come for so long is closed, in milliseconds. */
const HEADERS_TIMEOUT_MS = 10_000;

/** Connections at once: those who link hosts are few. */
const MAX_CONNECTIONS = 1000;

/** How long a closing port goes on answering what is under way, in milliseconds. */
const CLOSE_GRACE_MS = 3000;

export interface AdminPortOptions extends LiveExport {
  readonly log: Logger;
  readonly closeGraceMs?: number;
  readonly headersTimeoutMs?: number;
}

/** The port, listening. Closing it answers what is under way first, and cuts what sends nothing. */
export interface AdminPort extends AsyncDisposable {
  /** Without a slash at its end. */
  readonly url: string;
}

/**
 * Listens for what links and unlinks this host: the live-export API of Ops Manager and Cloud Manager,
 * with HTTP Digest. For each request: authenticate, then the organization, then the query, then the
 * body.
 * @throws {ConfigurationError} if it cannot listen
 */
export async function startAdminPort(options: AdminPortOptions): Promise<AdminPort> {
  const { admin, log, closeGraceMs = CLOSE_GRACE_MS } = options;
  const { headersTimeoutMs = HEADERS_TIMEOUT_MS } = options;
  const nonces = new Nonces(randomBytes(32));
  const app: FastifyInstance = Fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MAX_PATH_PARAMETER },
    exposeHeadRoutes: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: headersTimeoutMs, connectionsCheckingInterval: headersTimeoutMs / 4 },
    clientErrorHandler: (error, socket) => answerMalformed(socket, error.code),
    frameworkErrors: (error, request, reply) => {
      void answerError(error, request, reply, nonces);
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.setErrorHandler<Error>((error, request, reply) => answerError(error, request, reply, nonces));
  app.setNotFoundHandler(async (request) => {
    throw apiError('RESOURCE_NOT_FOUND', pathOf(request));
  });
  app.addHook('onRequest', async (_request, reply) => {
    // A connection that a client keeps open would keep the agent from stopping.
    reply.headers({ Server: 'linkspan', Connection: 'close' });
  });
  app.addHook('onSend', (request) => readAway(request.raw));
  // Node would answer 417 without a body; an expectation may be ignored (RFC 9110, section 10.1.1).
  app.server.on('checkExpectation', (request, response) => {
    app.server.emit('request', request, response);
  });
  app.addHook('preClose', async () => cutConnections(app.server, closeGraceMs));
  addRoutes(app, admin, nonces, liveExportOperations(options));
  try {
    await app.listen({ host: admin.host, port: admin.port });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigurationError([
      `${flagOf('adminPort')}: cannot listen on ${admin.host} port ${admin.port} (${code})`,
    ]);
  }
  const { address, port, family } = app.server.address() as AddressInfo;
  const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  log.info({ url, orgId: admin.orgId }, 'the admin port listens');
  if (!isLoopback(address)) {
    log.warn(
      'link-tokens come to the admin port in clear text: let a proxy with TLS stand before it',
    );
  }
  return { url, [Symbol.asyncDispose]: () => app.close() };
}

function addRoutes(
  app: FastifyInstance,
  admin: AdminConfig,
  nonces: Nonces,
  operations: readonly Operation[],
): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: MAX_API_BODY_BYTES },
    (_request, body, done) => done(null, body),
  );
  const methods = new Map<string, HTTPMethods[]>();
  for (const operation of operations) {
    // Whoever may GET may ask for the headers alone (RFC 9110, section 9.1).
    const answered: HTTPMethods[] =
      operation.method === 'GET' ? ['GET', 'HEAD'] : [operation.method];
    methods.set(operation.path, [...(methods.get(operation.path) ?? []), ...answered]);
    app.route({
      method: answered,
      url: BASE + operation.path,
      onRequest: async (request, reply) => {
        await authenticate(request, admin, nonces);
        reply.headers(SECURITY_HEADERS);
        const { orgId } = request.params as { orgId: string };
        if (!/^[0-9a-f]{24}$/.test(orgId)) throw apiError('INVALID_ORG_ID', orgId);
        if (orgId !== admin.orgId) throw apiError('ORG_NOT_FOUND', orgId);
        checkPresentation(queryOf(request.raw.url ?? ''));
      },
      handler: (request, reply) => run(operation, request, reply),
    });
  }
  for (const [path, known] of methods) {
    app.route({
      method: METHODS.filter((method) => !known.includes(method)),
      url: BASE + path,
      onRequest: async (request, reply) => {
        reply.header('Allow', known.join(', '));
        throw apiError('METHOD_NOT_ALLOWED', request.method, pathOf(request));
      },
      handler: () => undefined,
    });
  }
}

/** @throws {ChallengeError} */
async function authenticate(
  request: FastifyRequest,
  { publicKey, ha1 }: AdminConfig,
  nonces: Nonces,
): Promise<void> {
  const { authorization } = request.headers;
  const given = { authorization, method: request.method, target: request.raw.url ?? '' };
  try {
    await verifyDigest(given, nonces, async (name) => (name === publicKey ? ha1 : null));
  } catch (error) {
    // A challenge is not a refusal: only an answer that fails is worth a line (rule C11).
    if (error instanceof ChallengeError && !error.stale && authorization !== undefined) {
      request.log.warn({ remoteAddress: request.ip }, 'credentials were refused');
    }
    throw error;
  }
}

async function run(
  operation: Operation,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const answer = await operation.handle(bodyOf(operation, request));
  const presentation = presentationOf(queryOf(request.raw.url ?? ''));
  const written = writeAnswer(answer.status, answer.body, presentation);
  reply.code(written.status).header('Content-Type', 'application/json');
  return written.body === null ? reply.send() : reply.send(written.body);
}

function bodyOf({ body: schema }: Operation, request: FastifyRequest): unknown {
  if (schema === undefined) return undefined;
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const body = parseJson(raw, request.headers['content-type']);
  if (body === undefined) throw apiError('INVALID_JSON');
  checkBody(schema, body);
  return body;
}

/** The path of the request target, without its query. */
function pathOf(request: FastifyRequest): string {
  return (request.raw.url ?? '').split('?')[0] ?? '';
}
