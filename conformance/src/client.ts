import { randomBytes } from 'node:crypto';
import { Agent, request as httpRequest } from 'node:http';
import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';

/** How a request proves who sends it; null: not at all. */
export type Credential =
  | { readonly kind: 'digest'; readonly publicKey: string; readonly privateKey: string }
  | { readonly kind: 'bearer'; readonly token: string }
  | null;

export interface HttpRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; a text as it is. */
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  count: number;
}

/**
 * A client of its own, so that nothing of the product judges the product: it takes every answer as
 * it comes. Digest answers one challenge and keeps its nonce.
 */
export class HttpClient implements Disposable {
  readonly #baseUrl: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 8 });
  readonly #challenges = new Map<string, Challenge>();

  /** @param baseUrl without a slash at its end */
  constructor(baseUrl: string) {
    this.#baseUrl = baseUrl;
  }

  async send(credential: Credential, request: HttpRequest): Promise<HttpAnswer> {
    if (credential === null) return this.#attempt(request, null);
    if (credential.kind === 'bearer') return this.#attempt(request, `Bearer ${credential.token}`);
    const { publicKey } = credential;
    const known = this.#challenges.get(publicKey);
    const first = await this.#attempt(
      request,
      known === undefined ? null : answerTo(known, credential, request),
    );
    const offered = parseDigestParameters(first.headers['www-authenticate'] ?? '');
    const nonce = offered?.get('nonce');
    if (first.status !== 401 || nonce === undefined) return first;
    const challenge = { realm: offered?.get('realm') ?? '', nonce, count: 0 };
    this.#challenges.set(publicKey, challenge);
    return this.#attempt(request, answerTo(challenge, credential, request));
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  #attempt(request: HttpRequest, authorization: string | null): Promise<HttpAnswer> {
    const { method, path, headers, body } = request;
    const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const call = httpRequest(
        this.#baseUrl + path,
        {
          method,
          agent: this.#agent,
          headers: {
            ...(payload === undefined
              ? {}
              : {
                  'content-type': 'application/json',
                  'content-length': `${Buffer.byteLength(payload)}`,
                }),
            ...(authorization === null ? {} : { authorization }),
            ...headers,
          },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({
              status: response.statusCode ?? 0,
              headers: Object.fromEntries(
                Object.entries(response.headers).map(([name, value]) => [name, String(value)]),
              ),
              text: Buffer.concat(chunks).toString(),
            }),
          );
        },
      );
      call.on('error', reject);
      call.end(payload);
    });
  }
}

function answerTo(
  challenge: Challenge,
  { publicKey, privateKey }: Extract<Credential, { kind: 'digest' }>,
  { method, path }: HttpRequest,
): string {
  challenge.count += 1;
  const { realm, nonce } = challenge;
  const nonceCount = challenge.count.toString(16).padStart(8, '0');
  const clientNonce = randomBytes(8).toString('hex');
  const response = digestResponse({
    ha1: digestHa1(publicKey, realm, privateKey),
    nonce,
    nonceCount,
    clientNonce,
    method,
    uri: path,
  });
  return `Digest username="${publicKey}", realm="${realm}", nonce="${nonce}", uri="${path}", algorithm=MD5, response="${response}", qop=auth, nc=${nonceCount}, cnonce="${clientNonce}"`;
}
