import { createHash } from 'node:crypto';
import { networkOf } from '../domain/addresses.ts';

/**
 * Failures in a row that cost nothing: a person who mistypes, a script with an old key that tries all
 * it does. NIST SP 800-63B allows a hundred.
 */
export const FREE_FAILURES = 100;
const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 60_000;
/** After so long without a failure nothing is remembered. */
const FORGET_MS = 15 * 60_000;
/** Pairs of an address and a name that are remembered; the one not used for longest goes first. */
const MOST_PAIRS = 10_000;

interface Pair {
  failures: number;
  failedAt: number;
}

/**
 * Slows one address down that keeps failing with one name (rule C11). Names that do not exist are
 * treated like those that do, so that nothing can be learnt from it; the same name from another
 * address is not touched, so that nobody can lock anybody else out.
 */
export class SignInBackoff {
  readonly #now: () => number;
  readonly #pairs = new Map<string, Pair>();

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Seconds until this address may try this name again; 0: now. */
  waitSeconds(name: string, address: string): number {
    const pair = this.#pairs.get(pairOf(name, address));
    if (pair === undefined || pair.failures < FREE_FAILURES) return 0;
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (pair.failures - FREE_FAILURES));
    return Math.max(0, Math.ceil((pair.failedAt + wait - this.#now()) / 1000));
  }

  failed(name: string, address: string): void {
    const key = pairOf(name, address);
    const now = this.#now();
    const known = this.#pairs.get(key);
    const failures = known !== undefined && now - known.failedAt < FORGET_MS ? known.failures : 0;
    this.#pairs.delete(key);
    this.#forget(now);
    this.#pairs.set(key, { failures: failures + 1, failedAt: now });
  }

  succeeded(name: string, address: string): void {
    this.#pairs.delete(pairOf(name, address));
  }

  /** The map is in the order of the last failure. */
  #forget(now: number): void {
    for (const [key, pair] of this.#pairs) {
      if (now - pair.failedAt < FORGET_MS && this.#pairs.size < MOST_PAIRS) break;
      this.#pairs.delete(key);
    }
  }
}

/** Short, however long the name is that somebody sends. */
function pairOf(name: string, address: string): string {
  return createHash('sha256')
    .update(`${networkOf(address)} ${name}`)
    .digest('base64');
}
