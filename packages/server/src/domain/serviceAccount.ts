import { randomBytes } from 'node:crypto';
import { newId } from './ids.ts';

/** The most secrets of an account at a time, as documented: one in use and the one to replace it. */
export const MAX_SECRETS = 2;

const SECRET_PREFIX = 'mdb_sa_sk_';
const SECRET_CHARACTERS = 40;
const SHOWN_CHARACTERS = 4;

export function newClientId(): string {
  return `mdb_sa_id_${newId()}`;
}

/** A new secret: 240 random bits in Atlas's shape, `mdb_sa_sk_` and 40 of `[A-Za-z0-9_-]`. */
export function newClientSecret(): string {
  return SECRET_PREFIX + randomBytes((SECRET_CHARACTERS * 3) / 4).toString('base64url');
}

/** What is kept of a secret to tell it from another. */
export function secretSuffix(secret: string): string {
  return secret.slice(-SHOWN_CHARACTERS);
}

/** What lists show of a secret; the shape of the mask is not published. */
export function maskedSecret(suffix: string): string {
  return SECRET_PREFIX + '*'.repeat(SECRET_CHARACTERS - SHOWN_CHARACTERS) + suffix;
}
