import { createHash, randomBytes, randomInt, randomUUID } from 'node:crypto';
import { digestHa1 } from '@linkspan/contract/api/digestAuthentication.ts';
import { REALM } from '@linkspan/contract/serving/digest.ts';

/** A new API key's two parts, in Atlas's shapes. The private key exists only in this object. */
export interface KeyPair {
  /** Eight lower-case letters. */
  readonly publicKey: string;
  /** A UUID. */
  readonly privateKey: string;
  /** What the server keeps instead, sealed. */
  readonly ha1: string;
}

export function newKeyPair(): KeyPair {
  const publicKey = Array.from({ length: 8 }, () =>
    String.fromCharCode('a'.charCodeAt(0) + randomInt(26)),
  ).join('');
  const privateKey = randomUUID();
  return { publicKey, privateKey, ha1: digestHa1(publicKey, REALM, privateKey) };
}

/** What lists show of a private key. */
export function redactedPrivateKey(suffix: string): string {
  return `********-****-****-${suffix}`;
}

/** SHA-256, of a secret with enough randomness of its own. */
export function secretHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

/** 256 random bits in hex. */
export function newSecret(): string {
  return randomBytes(32).toString('hex');
}
