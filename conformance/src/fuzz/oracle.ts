import type { Json } from '../contract.ts';
import type { ApiDocument, Bodies, DocumentedOperation } from './document.ts';
import type { FuzzRequest } from './requests.ts';
import type { Exchange, WireAnswer } from './wire.ts';

/** A request as it went out: its tokens replaced. */
export interface SentRequest extends FuzzRequest {
  /** True if it names an organization or project that its caller has nothing to do with. */
  readonly isForeign: boolean;
}

/** Statuses that HTTP itself brings, whatever the operation: size, type, method, expectation. */
const OF_HTTP = new Set([400, 408, 413, 414, 415, 417, 431]);

/** Operations that wait for something that may not come. */
const MAY_BE_UNAVAILABLE = /LinkTokens$|ApiKey$|connectionTest|DestinationCluster/i;

/** Judges answers by the document: each method says what is wrong, or null. */
export class Oracle {
  readonly #document: ApiDocument;
  readonly #error: Json = { $ref: '#/components/schemas/Error' };
  readonly #oauthError: Json = { $ref: '#/components/schemas/OAuthError' };
  readonly #leaks: Leaks;

  constructor(document: ApiDocument, leaks: Leaks) {
    this.#document = document;
    this.#leaks = leaks;
  }

  judge(operation: DocumentedOperation, request: SentRequest, { answers, end }: Exchange) {
    const answer = answers[0];
    if (end === 'late') return 'no answer in time';
    // Where HTTP is broken, so is what is told about it: a HEAD that was not understood has a body.
    if (end === 'malformed' && request.isWellFormed) return 'the answer is no HTTP';
    if (answer === undefined) return request.isWellFormed ? 'closed without an answer' : null;
    if (answers.length > 1 && request.isWellFormed) return 'more answers than requests';
    return (
      this.problemOfAnswer(answer, JSON.stringify(request)) ??
      (request.isOperation
        ? this.#problemOfOperation(operation, request, answer)
        : this.#problemOfOther(request, answer))
    );
  }

  /** What no answer may be, whatever was asked. */
  problemOfAnswer(answer: WireAnswer, asked: string): string | null {
    const { status, headers, body } = answer;
    if (status >= 500 && status !== 503 && status !== 505) return `status ${status}`;
    const text = body.toString('utf8');
    const all = `${[...headers].map(([name, value]) => `${name}: ${value}`).join('\n')}\n${text}`;
    return this.#leaks.problemOf(all, asked);
  }

  /** Another method or path: it may lead anywhere, but in the API's own way. */
  #problemOfOther(request: SentRequest, answer: WireAnswer): string | null {
    const isBodiless = request.method === 'HEAD' || answer.body.length === 0;
    if (answer.status < 400) return null;
    return isBodiless ? null : this.#problemOfError(request, answer);
  }

  #problemOfOperation(
    operation: DocumentedOperation,
    request: SentRequest,
    answer: WireAnswer,
  ): string | null {
    const { status } = answer;
    if (status < 400) {
      if (request.isForeign) return `status ${status} for what belongs to others`;
      if (request.caller === 'nobody' && !isOAuth(operation)) {
        return `status ${status} without credentials`;
      }
      return this.#problemOfSuccess(operation, request, answer);
    }
    if (status === 503 && !MAY_BE_UNAVAILABLE.test(operation.id)) return 'status 503';
    if (!operation.responses.has(status) && !OF_HTTP.has(status)) {
      return `status ${status} is not documented`;
    }
    return this.#problemOfError(request, answer);
  }

  #problemOfSuccess(
    operation: DocumentedOperation,
    request: SentRequest,
    answer: WireAnswer,
  ): string | null {
    const { status, headers, body } = answer;
    const documented = operation.responses.get(status);
    if (documented === undefined) return `status ${status} is not documented`;
    const isEnveloped = queryOf(request).get('envelope') === 'true';
    if (documented.size === 0) return body.length === 0 ? null : 'a body that is not documented';
    const found = mediaOf(documented, headers.get('content-type') ?? '');
    if (found === null) return `content type ${headers.get('content-type') ?? 'none'}`;
    const value = parse(body);
    if (value === undefined) return 'the body is no JSON';
    const isEmptyEnvelope = status === 200 && operation.responses.has(204);
    if (!isEnveloped || isEmptyEnvelope || isOAuth(operation)) {
      return this.#document.problemOf(found, value);
    }
    return this.#problemOfEnvelope(found, value, status);
  }

  #problemOfEnvelope(schema: Json, value: unknown, status: number): string | null {
    if (typeof value !== 'object' || value === null) return 'no envelope';
    const { status: told, ...rest } = value as Json & { readonly status?: unknown };
    if (told !== status) return `an envelope with the status ${String(told)}`;
    const content = 'content' in rest ? rest['content'] : rest;
    return this.#document.problemOf(schema, content);
  }

  #problemOfError(request: SentRequest, answer: WireAnswer): string | null {
    const { status, headers, body } = answer;
    if (request.method === 'HEAD') return null;
    const type = headers.get('content-type') ?? 'none';
    const isOfOAuth = request.target.includes('/api/oauth/');
    if (type !== 'application/json' && !(isOfOAuth && type === 'application/json;charset=utf-8')) {
      return `an error of type ${type}`;
    }
    const whole = parse(body);
    if (whole === undefined) return 'the error is no JSON';
    const isEnveloped = typeof whole === 'object' && whole !== null && 'content' in whole;
    const value = (isEnveloped ? (whole as Json)['content'] : whole) as Json;
    if (isOfOAuth && typeof value['error'] === 'string') {
      return this.#document.problemOf(this.#oauthError, value);
    }
    const problem = this.#document.problemOf(this.#error, value);
    if (problem !== null) return `the error's ${problem}`;
    if (value['error'] !== status) return `the error says ${String(value['error'])}`;
    const isChallenge = status === 401 && headers.has('www-authenticate');
    const code = headers.get('x-error-code');
    if (!isChallenge && code !== value['errorCode']) return `X-Error-Code ${code ?? 'missing'}`;
    const detail = String(value['detail']);
    return this.#leaks.echoed(detail, JSON.stringify(request));
  }
}

/** Texts that tell what is inside the server, and those that were planted to be kept. */
export class Leaks {
  readonly #secrets: ReadonlySet<string>;
  readonly #patterns: readonly (RegExp | string)[];

  /** @param places directories that no answer may name */
  constructor(secrets: ReadonlySet<string>, places: readonly string[]) {
    this.#secrets = secrets;
    this.#patterns = [
      /\n\s+at .+:\d+:\d+/,
      /node:internal|node_modules|\.ts:\d+/,
      /SQLITE_|sqlite|FST_ERR|ERR_[A-Z]+_/,
      ...places,
    ];
  }

  /** @param asked what may be in it because the client sent it */
  problemOf(text: string, asked: string): string | null {
    for (const secret of this.#secrets) if (text.includes(secret)) return 'a secret is told';
    for (const pattern of this.#patterns) {
      const found = new RegExp(pattern).exec(text)?.[0];
      if (found !== undefined && !asked.includes(found)) return `it tells ${JSON.stringify(found)}`;
    }
    return null;
  }

  /** Placeholders in a text for people that did not come from the request. */
  echoed(detail: string, asked: string): string | null {
    const found = /%s|\[object |undefined/.exec(detail)?.[0];
    return found === undefined || asked.includes(found)
      ? null
      : `the detail holds ${JSON.stringify(found)}`;
  }
}

function isOAuth({ path }: DocumentedOperation): boolean {
  return path.startsWith('/api/oauth/');
}

function queryOf({ target }: FuzzRequest): URLSearchParams {
  const at = target.indexOf('?');
  return new URLSearchParams(at === -1 ? '' : target.slice(at + 1));
}

/** The schema of the body that the content type says it is. */
function mediaOf(bodies: Bodies, contentType: string): Json | null {
  const [type = '', charset, ...more] = contentType.split(';');
  if (more.length > 0 || (charset ?? 'charset=utf-8') !== 'charset=utf-8') return null;
  return bodies.get(type) ?? null;
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
