import { NO_TLS_FILES, readTlsFiles, type TlsFiles } from '@linkspan/contract/tls/files.ts';
import { Agent, request, type Dispatcher } from 'undici';

import { AccessTokenAuthentication, type ServiceAccountCredentials } from './accessToken.ts';
import type { ApiResponse, Authentication, RawRequest } from './authentication.ts';
import { DigestAuthentication, type ApiKeyCredentials } from './digest.ts';
import { errorOfResponse, UnreachableError } from './errors.ts';

/** An API key, or a service account. */
export type ApiCredentials = ApiKeyCredentials | ServiceAccountCredentials;

export interface ApiRequest {
  /** A version date of `/api/atlas/v2`; plain `application/json` if absent. */
  readonly version?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  readonly signal?: AbortSignal;
}

/** Longer than the 30 s after which the removal of a link answers 503 (rule C3). */
const RESPONSE_TIMEOUT_MS = 60_000;

/** A client of the API that authenticates with an API key (HTTP Digest) or as a service account (OAuth 2). */
export class ApiClient implements AsyncDisposable {
  readonly #baseUrl: URL;
  readonly #authentication: Authentication;
  readonly #agent: Agent;

  /**
   * @throws {TypeError} if the base URL is none
   * @throws {TlsFileError}
   */
  constructor(baseUrl: string, credentials: ApiCredentials, tls: TlsFiles = NO_TLS_FILES) {
    this.#agent = new Agent({ headersTimeout: RESPONSE_TIMEOUT_MS, connect: readTlsFiles(tls) });
    this.#baseUrl = new URL(baseUrl);
    this.#authentication =
      'clientId' in credentials
        ? new AccessTokenAuthentication(
            credentials,
            (path) => this.#url(path, undefined),
            (url, options) => this.#send(url, options),
          )
        : new DigestAuthentication(credentials);
  }

  /**
   * Any status comes back as a response.
   * @throws {UnreachableError} naming URL and reason
   * @throws {ApiError} if a service account gets no access token
   */
  async send(
    method: Dispatcher.HttpMethod,
    path: string,
    options: ApiRequest = {},
  ): Promise<ApiResponse> {
    const url = this.#url(path, options.query);
    const first = await this.#attempt(method, url, options);
    if (first.status !== 401) return first;
    if (!this.#authentication.refused(first)) return first;
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

  /** Gives back what the server holds for this client. Never rejects. */
  signOut(): Promise<void> {
    return this.#authentication.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.signOut();
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
    const { signal } = options;
    const target = url.pathname + url.search;
    const authorization = await this.#authentication.header(method, target, signal);
    if (authorization !== null) headers['authorization'] = authorization;
    return await this.#send(url, {
      method,
      headers,
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async #send(url: URL, options: RawRequest): Promise<ApiResponse> {
    try {
      const response = await request(url, { ...options, dispatcher: this.#agent });
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
}
