import { randomBytes } from 'node:crypto';
import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';
import type { Credential } from '../client.ts';

/** How long a nonce is used, in milliseconds: well below the time that a server keeps it. */
const NONCE_LIFETIME_MS = 30_000;

/** Makes `Authorization` headers without asking for a challenge each time. */
export class Signer {
  readonly #url: string;
  #challenge: { readonly realm: string; readonly nonce: string; readonly since: number } | null =
    null;
  #count = 0;

  constructor(url: string) {
    this.#url = url;
  }

  async sign(credential: Credential, method: string, target: string): Promise<string | null> {
    if (credential === null) return null;
    if (credential.kind === 'bearer') return `Bearer ${credential.token}`;
    const { realm, nonce } = await this.#fresh();
    this.#count += 1;
    const nonceCount = this.#count.toString(16).padStart(8, '0');
    const clientNonce = randomBytes(8).toString('hex');
    const { publicKey, privateKey } = credential;
    const ha1 = digestHa1(publicKey, realm, privateKey);
    const response = digestResponse({ ha1, nonce, nonceCount, clientNonce, method, uri: target });
    const uri = target.replaceAll('"', String.raw`\"`);
    return `Digest username="${publicKey}", realm="${realm}", nonce="${nonce}", uri="${uri}", algorithm=MD5, response="${response}", qop=auth, nc=${nonceCount}, cnonce="${clientNonce}"`;
  }

  async #fresh() {
    const known = this.#challenge;
    if (known !== null && performance.now() - known.since < NONCE_LIFETIME_MS) return known;
    const answer = await fetch(`${this.#url}/api/atlas/v1.0/orgs`);
    const parameters = parseDigestParameters(answer.headers.get('www-authenticate') ?? '');
    await answer.arrayBuffer();
    const fresh = {
      realm: parameters?.get('realm') ?? '',
      nonce: parameters?.get('nonce') ?? '',
      since: performance.now(),
    };
    this.#challenge = fresh;
    this.#count = 0;
    return fresh;
  }
}
