import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import {
  authenticate,
  type AuthenticationDependencies,
  type Caller,
  checkAccessList,
} from './authenticate.ts';
import { authorize } from './authorize.ts';
import { checkBody, parseJson } from '@linkspan/contract/serving/body.ts';
import type { Answer, Endpoint, PageRequest } from './endpoint.ts';
import { cut, pageOf } from './page.ts';
import { pageRequestOf, readQuery } from './query.ts';
import type { RateLimiter } from './rateLimit.ts';
import {
  checkPresentation,
  presentationOf,
  queryOf,
  SECURITY_HEADERS,
  writeAnswer,
} from '@linkspan/contract/serving/presentation.ts';
import { type ApiBase, checkGone, chooseVersion, type Resolved } from './version.ts';

export interface PipelineDependencies extends AuthenticationDependencies {
  readonly rateLimiter: RateLimiter;
  /** URL that clients reach the server at, without a slash at its end: for `links`. */
  readonly publicUrl: () => string;
  /** Version dates of Atlas's v2 that are past their sunset here. */
  readonly goneVersions: ReadonlySet<string>;
}

/** What the checks before the body have found. */
interface Admitted {
  readonly caller: Caller;
  readonly resolved: Resolved;
  readonly query: URLSearchParams;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly page: PageRequest;
}

type Params = Readonly<Record<string, string>>;

/**
 * The one way through the API, the same for every operation:
 * authenticate → access list → membership and role → rate limit → version, all before the body is
 * read, then validate → operation → respond. Errors go to the one error handler.
 */
export class Pipeline {
  readonly #dependencies: PipelineDependencies;
  readonly #admitted = new WeakMap<FastifyRequest, Admitted>();

  constructor(dependencies: PipelineDependencies) {
    this.#dependencies = dependencies;
  }

  /** Before the body: a client that uses Digest sends it with a request that will be refused. */
  async admit(
    endpoint: Endpoint,
    base: ApiBase,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { accessListUse, directory, goneVersions, signIns } = this.#dependencies;
    const caller = await authenticate(request, this.#dependencies);
    const { principal } = caller;
    reply.headers({
      ...SECURITY_HEADERS,
      'RateLimit-Limit': endpoint.limits.capacity,
      'RateLimit-Remaining': endpoint.limits.capacity,
    });
    const admitting = checkAccessList(caller, signIns);
    if (admitting !== null) {
      accessListUse.used(principal.credential, admitting, principal.remoteAddress);
    }
    const owner = await authorize(endpoint, request.params as Params, principal, directory);
    await this.#limit(endpoint, owner, request, reply);
    const resolved = chooseVersion(endpoint, base, request.headers.accept);
    reply.headers(resolved.headers);
    if (base.versioned) checkGone(resolved, goneVersions, pathOf(request));
    const query = queryOf(request.raw.url ?? '');
    checkPresentation(query);
    for (const [name, value] of Object.entries(request.params as Params)) {
      if (value.includes('\0')) throw apiError('INVALID_PATH_PARAMETER', name);
    }
    const page = pageRequestOf(query);
    const parameters = readQuery(query, endpoint.query ?? {});
    ignoreContentType(resolved, request);
    this.#admitted.set(request, { caller, resolved, query, parameters, page });
  }

  async run(
    endpoint: Endpoint,
    base: ApiBase,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<FastifyReply> {
    const admitted = this.#admitted.get(request);
    if (admitted === undefined) throw new Error('a request was not admitted');
    const { caller, resolved, parameters, page } = admitted;
    const principal = await this.#stillAllowed(endpoint, caller, request);
    const answer = await endpoint.handle({
      principal,
      params: request.params,
      query: parameters,
      page,
      body: bodyOf(endpoint, resolved, request),
      version: resolved.version.date,
      base: this.#dependencies.publicUrl() + base.path,
    });
    return this.#respond(endpoint, answer, admitted, request, reply);
  }

  /** A body may take minutes to come: what was true before may not be any more (rule C6). */
  async #stillAllowed(
    endpoint: Endpoint,
    caller: Caller,
    request: FastifyRequest,
  ): Promise<Principal> {
    if (request.body === undefined) return caller.principal;
    const { directory, signIns } = this.#dependencies;
    const now = await caller.again();
    checkAccessList(now, signIns);
    await authorize(endpoint, request.params as Params, now.principal, directory);
    return now.principal;
  }

  async #limit(
    endpoint: Endpoint,
    owner: string,
    request: FastifyRequest,
    reply: FastifyReply,
  ): Promise<void> {
    const { limits } = endpoint;
    const taken = await this.#dependencies.rateLimiter.take(limits, owner);
    reply.header('RateLimit-Remaining', taken.remaining);
    if (taken.allowed) return;
    const error = apiError(
      'RATE_LIMITED_TOKEN_BUCKET',
      pathOf(request),
      `${taken.retryAfterSeconds}`,
      `${limits.capacity}`,
      `${limits.refill}`,
      `${limits.perSeconds}`,
    );
    reply.header('Retry-After', taken.retryAfterSeconds);
    throw error;
  }

  #respond(
    endpoint: Endpoint,
    answer: Answer,
    { query, page, resolved }: Admitted,
    request: FastifyRequest,
    reply: FastifyReply,
  ): FastifyReply {
    let body: unknown;
    if (answer !== undefined && 'body' in answer) {
      body = answer.body;
      if (answer.location !== undefined) reply.header('Location', answer.location);
    } else if (answer !== undefined) {
      const href = this.#dependencies.publicUrl() + pathOf(request);
      body = pageOf('items' in answer ? cut(answer.items, page) : answer, page, href, query);
    }
    const written = writeAnswer(endpoint.status, body, presentationOf(query));
    reply.code(written.status).header('Content-Type', resolved.mediaType);
    return written.body === null ? reply.send() : reply.send(written.body);
  }
}

/** The path of the request target, without its query. */
export function pathOf(request: FastifyRequest): string {
  return (request.raw.url ?? '').split('?')[0] ?? '';
}

/**
 * What a request says of a body that is not read does not matter, nor does it where it says nothing:
 * Fastify would refuse both.
 */
function ignoreContentType({ version }: Resolved, { raw: { headers } }: FastifyRequest): void {
  if (version.body === undefined || headers['content-type']?.trim() === '') {
    delete headers['content-type'];
  }
}

function bodyOf(endpoint: Endpoint, resolved: Resolved, request: FastifyRequest): unknown {
  const schema = resolved.version.body;
  if (schema === undefined) return undefined;
  const raw = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  const { bodyOptional = false } = resolved.version;
  const parsed = parseJson(raw, request.headers['content-type']) ?? (bodyOptional ? {} : undefined);
  if (parsed === undefined) throw apiError('INVALID_JSON');
  const body = endpoint.prepareBody?.(parsed) ?? parsed;
  checkBody(schema, body);
  return body;
}
