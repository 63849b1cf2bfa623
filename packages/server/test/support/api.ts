import { randomBytes } from 'node:crypto';
import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';

export interface Response {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; nothing checks its shape. */
  readonly json: Json;
}

/** JSON whose shape nothing checks. */
export type Json = Readonly<Record<string, unknown>>;

/** A text in a body. */
export function textOf(response: Response, key: string): string {
  const value = response.json[key];
  if (typeof value !== 'string') throw new Error(`no ${key} in ${response.text}`);
  return value;
}

export interface RequestOptions {
  /** Sent as JSON; a string as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** A body in chunks, without its length. */
  readonly chunked?: boolean;
  readonly signal?: AbortSignal;
}

export interface Credentials {
  readonly publicKey: string;
  readonly privateKey: string;
}

/** One request over a socket of its own, as it is. */
export function send(url: string, method: string, options: RequestOptions = {}): Promise<Response> {
  const { body, chunked, headers, signal } = options;
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      url,
      {
        method,
        agent: false,
        ...(signal === undefined ? {} : { signal }),
        headers: {
          ...(payload === undefined
            ? {}
            : {
                'content-type': 'application/json',
                ...(chunked === true ? {} : { 'content-length': `${Buffer.byteLength(payload)}` }),
              }),
          ...(chunked === true ? { 'transfer-encoding': 'chunked' } : {}),
          ...headers,
        },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            get json() {
              return JSON.parse(text) as Json;
            },
          });
        });
      },
    );
    call.on('error', reject);
    call.end(payload);
  });
}

/** The `Authorization` header that answers a challenge. */
export function answerTo(
  challenge: string,
  credentials: Credentials,
  method: string,
  target: string,
  count = 1,
): string {
  const parameters = parseDigestParameters(challenge);
  const nonce = parameters?.get('nonce') ?? '';
  const realm = parameters?.get('realm') ?? '';
  const nonceCount = count.toString(16).padStart(8, '0');
  const clientNonce = randomBytes(8).toString('hex');
  const ha1 = digestHa1(credentials.publicKey, realm, credentials.privateKey);
  const response = digestResponse({ ha1, nonce, nonceCount, clientNonce, method, uri: target });
  return `Digest username="${credentials.publicKey}", realm="${realm}", nonce="${nonce}", uri="${target}", algorithm=MD5, response="${response}", qop=auth, nc=${nonceCount}, cnonce="${clientNonce}"`;
}

export interface Api {
  /** A path of Atlas's v2 gets its newest version's Accept header. */
  call(method: string, path: string, options?: RequestOptions): Promise<Response>;
}

/** Calls as a client that uses Digest does: the body with both requests. */
export function apiClient(url: string, credentials: Credentials): Api {
  return {
    call: async (method, path, options = {}) => {
      const headers = {
        ...(path.startsWith('/api/atlas/v2')
          ? { accept: 'application/vnd.atlas.2024-08-05+json' }
          : {}),
        ...options.headers,
      };
      const first = await send(url + path, method, { ...options, headers });
      const challenge = first.headers['www-authenticate'];
      if (challenge === undefined) return first;
      const authorization = answerTo(challenge, credentials, method, path);
      return send(url + path, method, { ...options, headers: { ...headers, authorization } });
    },
  };
}
