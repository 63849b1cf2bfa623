import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

import { steadyNow } from './steadyClock.ts';

const TIME_BYTES = 6;
const RANDOM_BYTES = 6;
const MAC_BYTES = 12;

/** How long a nonce is good for, in milliseconds. */
export const NONCE_LIFETIME_MS = 5 * 60_000;

/** How far behind the highest count of a nonce a count may come and still be taken. */
const WINDOW = 256;

export type NonceVerdict = 'good' | 'stale' | 'unknown';

interface Uses {
  highest: number;
  readonly counts: Set<number>;
  readonly expiresAt: number;
}

/**
 * Nonces of Digest that nothing has to be kept for: 32 base64 characters of time, randomness and a
 * MAC (rule C7). What is kept is only which counts of a nonce were used, from its first good answer
 * until it expires, so that a captured request cannot be sent again. A nonce from before this
 * process started is stale, since its uses are not known.
 */
export class Nonces {
  readonly #key: Buffer;
  readonly #others: readonly Buffer[];
  readonly #now: () => number;
  readonly #startedAt: number;
  readonly #uses = new Map<string, Uses>();

  /**
   * @param key a secret of 32 bytes
   * @param now milliseconds since 1970, by a clock that does not go back: were it set back, every
   *   nonce would be one of before the start
   * @param others keys of nodes whose nonces are good here, too
   */
  constructor(key: Buffer, now: () => number = steadyNow, others: readonly Buffer[] = []) {
    this.#key = key;
    this.#others = others;
    this.#now = now;
    this.#startedAt = now();
  }

  issue(): string {
    const head = Buffer.alloc(TIME_BYTES + RANDOM_BYTES);
    head.writeUIntBE(this.#now(), 0, TIME_BYTES);
    randomBytes(RANDOM_BYTES).copy(head, TIME_BYTES);
    return Buffer.concat([head, macOf(this.#key, head)]).toString('base64');
  }

  /** Whether the server issued the nonce, and lately. */
  check(nonce: string): NonceVerdict {
    const bytes = Buffer.from(nonce, 'base64');
    if (nonce.length !== 32 || bytes.length !== TIME_BYTES + RANDOM_BYTES + MAC_BYTES) {
      return 'unknown';
    }
    const head = bytes.subarray(0, TIME_BYTES + RANDOM_BYTES);
    const mac = bytes.subarray(TIME_BYTES + RANDOM_BYTES);
    if (![this.#key, ...this.#others].some((key) => timingSafeEqual(macOf(key, head), mac)))
      return 'unknown';
    const issuedAt = head.readUIntBE(0, TIME_BYTES);
    const age = this.#now() - issuedAt;
    // One of an earlier process, whose clock was ahead, seems to come from later than now.
    const isTimely = age <= NONCE_LIFETIME_MS && age >= -NONCE_LIFETIME_MS;
    return issuedAt < this.#startedAt || !isTimely ? 'stale' : 'good';
  }

  /**
   * Uses a count of a good nonce, once. Counts may come in any order within a window.
   * @returns false if it was used before, or is too far behind to tell
   */
  use(nonce: string, count: number): boolean {
    this.#forgetExpired();
    let uses = this.#uses.get(nonce);
    if (uses === undefined) {
      uses = { highest: 0, counts: new Set(), expiresAt: this.#now() + NONCE_LIFETIME_MS };
      this.#uses.set(nonce, uses);
    }
    if (count < 1 || count <= uses.highest - WINDOW || uses.counts.has(count)) return false;
    uses.counts.add(count);
    if (count > uses.highest) {
      uses.highest = count;
      if (uses.counts.size > 2 * WINDOW) {
        for (const old of uses.counts) {
          if (old <= count - WINDOW) uses.counts.delete(old);
        }
      }
    }
    return true;
  }

  /** A map keeps the order of insertion, which is the order of expiry. */
  #forgetExpired(): void {
    for (const [nonce, uses] of this.#uses) {
      if (uses.expiresAt >= this.#now()) break;
      this.#uses.delete(nonce);
    }
  }
}

function macOf(key: Buffer, head: Buffer): Buffer {
  return createHmac('sha256', key).update(head).digest().subarray(0, MAC_BYTES);
}
