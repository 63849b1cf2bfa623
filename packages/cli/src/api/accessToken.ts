import { setTimeout as delay } from 'node:timers/promises';

import type { ApiResponse, Authentication, Send } from './authentication.ts';
import { ApiError } from './errors.ts';

export interface ServiceAccountCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A token is renewed this long before its end, in milliseconds. */
const MARGIN_MS = 60_000;

/** The longest that a request waits for its turn where tokens are limited, in seconds. */
const LONGEST_WAIT_SECONDS = 60;

interface Token {
  readonly value: string;
  /** Of this process's clock, in milliseconds. */
  readonly expiresAt: number;
}

/**
 * OAuth 2 client credentials of a service account (RFC 6749, section 4.4). The access token is in
 * memory alone, and is revoked at the end: an account has a limited number of them.
 */
export class AccessTokenAuthentication implements Authentication {
  readonly #credentials: ServiceAccountCredentials;
  readonly #urlOf: (path: string) => URL;
  readonly #send: Send;
  #token: Token | null = null;

  constructor(credentials: ServiceAccountCredentials, urlOf: (path: string) => URL, send: Send) {
    this.#credentials = credentials;
    this.#urlOf = urlOf;
    this.#send = send;
  }

  /** @throws {ApiError} if no token is to be had */
  async header(_method: string, _target: string, signal?: AbortSignal): Promise<string> {
    if (this.#token === null || performance.now() > this.#token.expiresAt - MARGIN_MS) {
      this.#token = await this.#issue(signal);
    }
    return `Bearer ${this.#token.value}`;
  }

  /** A token can end before its time: its secret was removed, or somebody revoked it. */
  refused(response: ApiResponse): boolean {
    if (!String(response.headers['www-authenticate'] ?? '').includes('invalid_token')) return false;
    this.#token = null;
    return true;
  }

  async end(): Promise<void> {
    const token = this.#token;
    if (token === null) return;
    this.#token = null;
    // The command has done what it should; a token that stays ends by itself.
    await this.#post('/api/oauth/revoke', { token: token.value }, AbortSignal.timeout(5000)).catch(
      () => {},
    );
  }

  async #issue(signal: AbortSignal | undefined): Promise<Token> {
    const path = '/api/oauth/token';
    const asked = performance.now();
    let response = await this.#post(path, { grant_type: 'client_credentials' }, signal);
    const seconds = Number(response.headers['retry-after'] ?? Number.NaN);
    if (response.status === 429 && seconds <= LONGEST_WAIT_SECONDS) {
      await delay(seconds * 1000, undefined, signal === undefined ? {} : { signal });
      response = await this.#post(path, { grant_type: 'client_credentials' }, signal);
    }
    const body = (response.body ?? {}) as Readonly<Record<string, unknown>>;
    const { access_token: value, expires_in: life } = body;
    if (response.status === 200 && typeof value === 'string' && typeof life === 'number') {
      return { value, expiresAt: asked + life * 1000 };
    }
    throw new ApiError('POST', this.#urlOf(path).href, response.status, {
      ...(typeof body['error'] === 'string' ? { errorCode: body['error'] } : {}),
      ...(typeof body['error_description'] === 'string'
        ? { detail: body['error_description'] }
        : { detail: 'The server issued no access token.' }),
    });
  }

  #post(
    path: string,
    form: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<ApiResponse> {
    const { clientId, clientSecret } = this.#credentials;
    const pair = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    return this.#send(this.#urlOf(path), {
      method: 'POST',
      headers: {
        accept: 'application/json',
        authorization: `Basic ${Buffer.from(pair).toString('base64')}`,
        'content-type': 'application/x-www-form-urlencoded',
        'user-agent': 'linkspan-cli',
      },
      body: new URLSearchParams(form).toString(),
      ...(signal === undefined ? {} : { signal }),
    });
  }
}
