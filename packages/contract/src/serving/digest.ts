import { timingSafeEqual } from 'node:crypto';
import { digestHa1, digestResponse, parseDigestParameters } from '../api/digestAuthentication.ts';
import type { Nonces } from './nonces.ts';

/** The realm that Atlas uses; HA1 depends on it (recorded). */
export const REALM = 'MMS Public API';

/** The request has no valid credentials: the answer is a challenge, the same in every case. */
export class ChallengeError extends Error {
  override readonly name = 'ChallengeError';
  /** True if the credentials were right and only the nonce was not: a client tries again by itself. */
  readonly stale: boolean;

  constructor(stale: boolean) {
    super('the request is not authenticated');
    this.stale = stale;
  }
}

/** The header `WWW-Authenticate`, as recorded from Atlas. */
export function challengeHeader(nonce: string, stale: boolean): string {
  return `Digest realm="${REALM}", domain="", nonce="${nonce}", algorithm=MD5, qop="auth", stale=${stale}`;
}

/** A key that does not exist has this HA1, so that both cases take the same time. */
const NO_HA1 = digestHa1('nobody', REALM, 'nothing');

/** A request target as a path: some clients, and clients of proxies, name the whole URL. */
export function originForm(target: string): string {
  return target.replace(/^https?:\/\/[^/?#]*(?=\/)/i, '');
}

export interface DigestRequest {
  readonly authorization: string | undefined;
  readonly method: string;
  /** The request target as it came. */
  readonly target: string;
}

/** Uses a count of a nonce on behalf of several servers. @returns false if one of them has used it */
export type SharedNonceUse = (nonce: string, count: number) => Promise<boolean>;

/**
 * Checks an `Authorization: Digest` header (RFC 7616: MD5, qop `auth` only).
 * @param ha1Of HA1 of a public key, or null if there is no such key
 * @param sharedUse for requests that several servers together take only once; null: this one alone
 * @returns the public key that has proven itself
 * @throws {ChallengeError} in every other case
 */
export async function verifyDigest(
  request: DigestRequest,
  nonces: Nonces,
  ha1Of: (publicKey: string) => Promise<string | null>,
  sharedUse: SharedNonceUse | null = null,
): Promise<string> {
  const parameters =
    request.authorization === undefined ? null : parseDigestParameters(request.authorization);
  const publicKey = parameters?.get('username');
  const nonce = parameters?.get('nonce');
  const response = parameters?.get('response');
  const clientNonce = parameters?.get('cnonce');
  const nonceCount = parameters?.get('nc');
  const uri = parameters?.get('uri');
  if (
    publicKey === undefined ||
    nonce === undefined ||
    clientNonce === undefined ||
    nonceCount === undefined ||
    response === undefined ||
    uri === undefined ||
    !/^[0-9a-f]{8}$/i.test(nonceCount) ||
    !/^[0-9a-f]{32}$/i.test(response) ||
    parameters?.get('realm') !== REALM ||
    parameters.get('qop') !== 'auth' ||
    (parameters.get('algorithm') ?? 'MD5').toUpperCase() !== 'MD5' ||
    originForm(uri) !== originForm(request.target)
  ) {
    throw new ChallengeError(false);
  }
  const verdict = nonces.check(nonce);
  if (verdict === 'unknown') throw new ChallengeError(false);
  const ha1 = await ha1Of(publicKey);
  const expected = digestResponse({
    ha1: ha1 ?? NO_HA1,
    nonce,
    nonceCount,
    clientNonce,
    method: request.method,
    uri,
  });
  const equal = timingSafeEqual(Buffer.from(expected, 'hex'), Buffer.from(response, 'hex'));
  if (!equal || ha1 === null) throw new ChallengeError(false);
  const count = Number.parseInt(nonceCount, 16);
  if (verdict === 'stale' || !nonces.use(nonce, count)) throw new ChallengeError(true);
  if (sharedUse !== null && !(await sharedUse(nonce, count))) throw new ChallengeError(true);
  return publicKey;
}
