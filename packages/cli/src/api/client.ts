import { randomBytes } from 'node:crypto';

import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';
import { Agent, request, type Dispatcher } from 'undici';

import { errorOfResponse, UnreachableError } from './errors.ts';

export interface ApiCredentials {
  readonly publicKey: string;
  readonly privateKey: string;
}

export interface ApiRequest {
  /** A version date of `/api/atlas/v2`; plain `application/json` if absent. */
  readonly version?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly signal?: AbortSignal;
}

export interface ApiResponse<T = unknown> {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Parsed where it is JSON, else text; null when empty. */
  readonly body: T;
}

/** Longer than the 30 s after which the removal of a link answers 503 (rule C3). */
const RESPONSE_TIMEOUT_MS = 60_000;

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  count: number;
}

/** A client of the API that authenticates by HTTP Digest and keeps its nonce from call to call. */
export class ApiClient implements AsyncDisposable {
  readonly #baseUrl: URL;
  readonly #credentials: ApiCredentials;
  readonly #agent = new Agent({ headersTimeout: RESPONSE_TIMEOUT_MS });
  #challenge: Challenge | null = null;

  /** @throws {TypeError} if the base URL is none */
  constructor(baseUrl: string, credentials: ApiCredentials) {
    this.#baseUrl = new URL(baseUrl);
    this.#credentials = credentials;
  }

  /**
   * Any status comes back as a response.
   * @throws {UnreachableError} naming URL and reason
   */
  async send(
    method: Dispatcher.HttpMethod,
    path: string,
    options: ApiRequest = {},
  ): Promise<ApiResponse> {
    const url = this.#url(path, options.query);
    const first = await this.#attempt(method, url, options);
    if (first.status !== 401) return first;
    // The first request has no nonce yet, or its nonce has expired.
    const offered = first.headers['www-authenticate'];
    const challenge = readChallenge(typeof offered === 'string' ? [offered] : (offered ?? []));
    if (challenge === null) return first;
    this.#challenge = challenge;
    return await this.#attempt(method, url, options);
  }

  /**
   * The same for callers that only want success.
   * @throws {ApiError} for a status of 400 or more
   * @throws {UnreachableError}
   */
  async call<T>(method: Dispatcher.HttpMethod, path: string, options: ApiRequest = {}): Promise<T> {
    const response = await this.send(method, path, options);
    if (response.status >= 400) {
      throw errorOfResponse(method, this.#url(path, options.query).href, response);
    }
    return response.body as T;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent.destroy();
  }

  #url(path: string, query: ApiRequest['query']): URL {
    const url = new URL(this.#baseUrl.pathname.replace(/\/$/, '') + path, this.#baseUrl);
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    return url;
  }

  async #attempt(
    method: Dispatcher.HttpMethod,
    url: URL,
    options: ApiRequest,
  ): Promise<ApiResponse> {
    const type =
      options.version === undefined
        ? 'application/json'
        : `application/vnd.atlas.${options.version}+json`;
    const headers: Record<string, string> = { accept: type, 'user-agent': 'linkspan-cli' };
    if (options.body !== undefined) headers['content-type'] = type;
    if (this.#challenge !== null) {
      headers['authorization'] = this.#authorization(
        this.#challenge,
        method,
        url.pathname + url.search,
      );
    }
    try {
      const response = await request(url, {
        method,
        headers,
        dispatcher: this.#agent,
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      const text = await response.body.text();
      const json = /[/+]json\b/.test(String(response.headers['content-type'] ?? ''));
      return {
        status: response.statusCode,
        headers: response.headers,
        body: text === '' ? null : json ? (JSON.parse(text) as unknown) : text,
      };
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new UnreachableError(url.href, error);
    }
  }

  #authorization(challenge: Challenge, method: string, uri: string): string {
    challenge.count += 1;
    const nonceCount = challenge.count.toString(16).padStart(8, '0');
    const clientNonce = randomBytes(16).toString('hex');
    const { publicKey, privateKey } = this.#credentials;
    const response = digestResponse({
      ha1: digestHa1(publicKey, challenge.realm, privateKey),
      nonce: challenge.nonce,
      nonceCount,
      clientNonce,
      method,
      uri,
    });
    const parts = [
      `username=${quote(publicKey)}`,
      `realm=${quote(challenge.realm)}`,
      `nonce=${quote(challenge.nonce)}`,
      `uri=${quote(uri)}`,
      'algorithm=MD5',
      'qop=auth',
      `nc=${nonceCount}`,
      `cnonce="${clientNonce}"`,
      `response="${response}"`,
    ];
    if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
    return `Digest ${parts.join(', ')}`;
  }
}

function readChallenge(headers: readonly string[]): Challenge | null {
  for (const header of headers) {
    const parameters = parseDigestParameters(header);
    const realm = parameters?.get('realm');
    const nonce = parameters?.get('nonce');
    if (realm === undefined || nonce === undefined) continue;
    return { realm, nonce, opaque: parameters?.get('opaque'), count: 0 };
  }
  return null;
}

function quote(text: string): string {
  return `"${text.replaceAll(/["\\]/g, String.raw`\$&`)}"`;
}
