import { randomBytes } from 'node:crypto';

const ID = /^[0-9a-f]{24}$/;

/** A new id in Atlas's shape: 24 hex digits, the first 8 of which are its creation in seconds. */
export function newId(): string {
  const seconds = Math.floor(Date.now() / 1000);
  return seconds.toString(16).padStart(8, '0') + randomBytes(8).toString('hex');
}

/** True for 24 hex digits. */
export function isId(text: string): boolean {
  return ID.test(text);
}
