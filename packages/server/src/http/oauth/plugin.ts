import type {
  FastifyError,
  FastifyInstance,
  FastifyPluginAsync,
  FastifyReply,
  FastifyRequest,
} from 'fastify';
import { SECURITY_HEADERS } from '@linkspan/contract/serving/presentation.ts';
import { networkOf, peerAddress } from '../../domain/addresses.ts';
import { invalidClient, invalidRequest, OAuthError } from '../../domain/oauthError.ts';
import {
  ACCESS_TOKEN_SECONDS,
  type AccessTokens,
  type AuthenticClient,
  type ClientCredentials,
} from '../../operations/accessTokens.ts';
import type { SignIns } from '../../operations/signIns.ts';
import { StoreUnavailableError } from '../../store/store.ts';
import { RATE_LIMITS, type RateLimiter, type RateLimitSet, scaled } from '../rateLimit.ts';
import { readClient, readForm } from './clientCredentials.ts';

/** Where access tokens are issued and revoked, as Atlas has it. */
export const OAUTH_BASE = '/api/oauth';

export interface OAuthDependencies {
  readonly accessTokens: AccessTokens;
  readonly signIns: SignIns;
  readonly rateLimiter: RateLimiter;
  /** How many requests are allowed, in percent of what Atlas allows. */
  readonly rateLimitPercent: number;
}

/** The largest body of a request, in bytes. */
const MAX_FORM_BYTES = 16 * 1024;

/** RFC 6749, section 5.2. */
const BASIC_CHALLENGE = 'Basic realm="MMS Public API"';

const RETRY_STORE_SECONDS = 5;

type Form = ReadonlyMap<string, string>;

/** What an endpoint answers a client that has proven who it is. */
type Grant = (client: AuthenticClient, form: Form, remoteAddress: string) => Promise<unknown>;

/** `/token` and `/revoke`: OAuth 2 for service accounts (RFC 6749, section 4.4, and RFC 7009). */
export function oauthPlugin(dependencies: OAuthDependencies): FastifyPluginAsync {
  const { accessTokens } = dependencies;
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      '*',
      { parseAs: 'buffer', bodyLimit: MAX_FORM_BYTES },
      (_request, body, done) => done(null, body),
    );
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ ...SECURITY_HEADERS, 'Cache-Control': 'no-store', Pragma: 'no-cache' });
    });
    app.setErrorHandler<FastifyError | Error>(answerOAuthError);
    endpoint(app, '/token', RATE_LIMITS.accessTokens, dependencies, checkGrant, async (client) => ({
      access_token: await accessTokens.issue(client),
      expires_in: ACCESS_TOKEN_SECONDS,
      token_type: 'Bearer',
    }));
    endpoint(
      app,
      '/revoke',
      RATE_LIMITS.accessTokenRevocations,
      dependencies,
      tokenOf,
      async (client, form, remoteAddress) => {
        await accessTokens.revoke(client, tokenOf(form), remoteAddress);
        return undefined;
      },
    );
  };
}

function endpoint(
  app: FastifyInstance,
  path: string,
  limits: RateLimitSet,
  dependencies: OAuthDependencies,
  check: (form: Form) => unknown,
  grant: Grant,
): void {
  const enforced = scaled(limits, dependencies.rateLimitPercent);
  app.post(path, async (request, reply) => {
    const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
    const form = readForm(raw, request.headers['content-type']);
    const credentials = readClient(request.headers.authorization, form);
    await limit(enforced, credentials, request, dependencies.rateLimiter);
    check(form);
    const client = await authenticate(credentials, request, dependencies);
    const answer = await grant(client, form, peerAddress(request.ip));
    if (answer === undefined) return reply.code(200).send();
    return reply
      .code(200)
      .header('Content-Type', 'application/json;charset=utf-8')
      .send(Buffer.from(JSON.stringify(answer)));
  });
  const allow = 'OPTIONS, POST';
  app.options(path, async (_request, reply) => reply.code(204).header('Allow', allow).send());
  app.route({
    method: app.supportedMethods.filter((method) => method !== 'POST' && method !== 'OPTIONS'),
    url: path,
    onRequest: async (request, reply) => {
      reply.header('Allow', allow);
      throw new OAuthError(
        405,
        'invalid_request',
        `${request.method} is not allowed; send a POST.`,
      );
    },
    handler: () => undefined,
  });
}

/** @throws {OAuthError} rate_limited, as recorded from Atlas */
async function limit(
  limits: RateLimitSet,
  { clientId }: ClientCredentials,
  request: FastifyRequest,
  rateLimiter: RateLimiter,
): Promise<void> {
  // What is no client id shares one bucket: names that callers make up cost nothing.
  const client = /^mdb_sa_id_[0-9a-f]{24}$/.test(clientId) ? clientId : '';
  const taken = await rateLimiter.take(limits, `${networkOf(peerAddress(request.ip))} ${client}`);
  if (taken.allowed) return;
  throw rateLimited(
    `Resource ${request.url.split('?')[0]} is limited to ${limits.capacity} requests every 1 minutes.`,
    taken.retryAfterSeconds,
  );
}

async function authenticate(
  credentials: ClientCredentials,
  request: FastifyRequest,
  { accessTokens, signIns }: OAuthDependencies,
): Promise<AuthenticClient> {
  const { clientId } = credentials;
  const remoteAddress = peerAddress(request.ip);
  const wait = signIns.waitSeconds(clientId, remoteAddress);
  if (wait > 0) {
    throw rateLimited('Too many requests with wrong credentials. Please retry later.', wait);
  }
  const client = await accessTokens.authenticate(credentials);
  if ('refused' in client) {
    request.log.warn({ remoteAddress }, 'credentials of a service account were refused');
    signIns.failed(clientId, remoteAddress, client.refused, client.failure);
    throw invalidClient();
  }
  signIns.succeeded(clientId, remoteAddress);
  return client;
}

function rateLimited(description: string, retryAfterSeconds: number): OAuthError {
  return new OAuthError(429, 'rate_limited', description, retryAfterSeconds);
}

/** @throws {OAuthError} unless the form asks for the one grant that there is */
function checkGrant(form: Form): void {
  const grantType = form.get('grant_type');
  if (grantType === undefined) throw invalidRequest('The parameter grant_type is missing.');
  if (grantType !== 'client_credentials') {
    throw new OAuthError(
      400,
      'unsupported_grant_type',
      'The parameter grant_type must be client_credentials.',
    );
  }
}

/** @throws {OAuthError} invalid_request without a token */
function tokenOf(form: Form): string {
  const token = form.get('token');
  if (token === undefined) throw invalidRequest('The parameter token is missing.');
  return token;
}

/** Errors of these endpoints have the shape of RFC 6749, section 5.2. */
function answerOAuthError(
  error: FastifyError | Error,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  const { code, status, message, retryAfterSeconds } = toOAuthError(error, request);
  if (retryAfterSeconds !== null) reply.header('Retry-After', retryAfterSeconds);
  if (code === 'invalid_client') reply.header('WWW-Authenticate', BASIC_CHALLENGE);
  return reply
    .code(status)
    .header('Content-Type', 'application/json;charset=utf-8')
    .send(Buffer.from(JSON.stringify({ error: code, error_description: message })));
}

function toOAuthError(error: FastifyError | Error, request: FastifyRequest): OAuthError {
  if (error instanceof OAuthError) return error;
  if (error instanceof StoreUnavailableError) {
    request.log.error({ err: error }, 'the store failed');
    return new OAuthError(
      503,
      'temporarily_unavailable',
      'The store does not answer. Try again later.',
      RETRY_STORE_SECONDS,
    );
  }
  if ('code' in error && error.code === 'FST_ERR_CTP_BODY_TOO_LARGE') {
    return new OAuthError(
      413,
      'invalid_request',
      `The body is larger than ${MAX_FORM_BYTES} bytes.`,
    );
  }
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status !== undefined && status >= 400 && status < 500) return invalidRequest(error.message);
  request.log.error({ err: error }, 'a request for an access token failed');
  return new OAuthError(500, 'server_error', 'Unexpected error.');
}
