import { randomBytes } from 'node:crypto';

import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';

import type { ApiResponse, Authentication } from './authentication.ts';

export interface ApiKeyCredentials {
  readonly publicKey: string;
  readonly privateKey: string;
}

interface Challenge {
  readonly realm: string;
  readonly nonce: string;
  readonly opaque: string | undefined;
  count: number;
}

/** HTTP Digest with an API key: answers the server's challenge, and goes on with its nonce. */
export class DigestAuthentication implements Authentication {
  readonly #credentials: ApiKeyCredentials;
  #challenge: Challenge | null = null;

  constructor(credentials: ApiKeyCredentials) {
    this.#credentials = credentials;
  }

  async header(method: string, target: string): Promise<string | null> {
    const challenge = this.#challenge;
    if (challenge === null) return null;
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
      uri: target,
    });
    const parts = [
      `username=${quote(publicKey)}`,
      `realm=${quote(challenge.realm)}`,
      `nonce=${quote(challenge.nonce)}`,
      `uri=${quote(target)}`,
      'algorithm=MD5',
      'qop=auth',
      `nc=${nonceCount}`,
      `cnonce="${clientNonce}"`,
      `response="${response}"`,
    ];
    if (challenge.opaque !== undefined) parts.push(`opaque=${quote(challenge.opaque)}`);
    return `Digest ${parts.join(', ')}`;
  }

  /** The first request has no nonce yet, or its nonce has expired. */
  refused(response: ApiResponse): boolean {
    const offered = response.headers['www-authenticate'];
    const challenge = readChallenge(typeof offered === 'string' ? [offered] : (offered ?? []));
    if (challenge === null) return false;
    this.#challenge = challenge;
    return true;
  }

  async end(): Promise<void> {}
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
