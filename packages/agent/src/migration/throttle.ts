import { setTimeout as delay } from 'node:timers/promises';
import type { Throttle as Limits } from '@linkspan/contract/push/work.ts';
import { MAX_BATCH_BYTES } from '@linkspan/contract/push/version.ts';
import { cutBySize } from '../source/cutBySize.ts';

/** A clock that only goes forward, in milliseconds. */
export interface ThrottleClock {
  now(): number;
  /** @throws the signal's reason */
  sleep(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const REAL_CLOCK: ThrottleClock = {
  now: () => performance.now(),
  sleep: (milliseconds, signal) => delay(milliseconds, undefined, { signal }),
};

const LONGEST_SLEEP_MS = 1000;

/**
 * Limits what is pushed in a second, documents and bytes, over all steps together. Two token buckets
 * that hold a second's worth: what was not used is not saved up for longer. Takers wait in the order in
 * which they come, so that none starves. Limits may change at any moment, for those that wait too.
 */
export class Throttle {
  readonly #clock: ThrottleClock;
  readonly #bytes: Bucket;
  readonly #documents: Bucket;
  #turn: Promise<void> = Promise.resolve();
  #changed = new AbortController();

  constructor(limits: Limits | null, clock: ThrottleClock = REAL_CLOCK) {
    this.#clock = clock;
    this.#bytes = new Bucket(limits?.bytesPerSecond ?? null, clock.now());
    this.#documents = new Bucket(limits?.documentsPerSecond ?? null, clock.now());
  }

  /** @param limits null: none */
  set(limits: Limits | null): void {
    const now = this.#clock.now();
    this.#bytes.setRate(limits?.bytesPerSecond ?? null, now);
    this.#documents.setRate(limits?.documentsPerSecond ?? null, now);
    this.#changed.abort(new Error('the throttle was changed'));
    this.#changed = new AbortController();
  }

  /** The most documents that are worth reading for one push. */
  get documentsAtOnce(): number {
    return this.#documents.size;
  }

  /** The most bytes that are worth reading for one push. */
  get bytesAtOnce(): number {
    return Math.min(MAX_BATCH_BYTES, this.#bytes.size);
  }

  /**
   * Cuts documents into runs that a push may hold and that are a second's worth at most. A document that
   * is larger stands alone, and what comes after it waits the longer.
   */
  cut(documents: readonly Buffer[]): Generator<Buffer[]> {
    return cutBySize(documents, this.bytesAtOnce, this.documentsAtOnce);
  }

  /**
   * Comes back when so much may be pushed.
   * @throws the signal's reason
   */
  async take(documents: number, bytes: number, signal: AbortSignal): Promise<void> {
    if (this.#isUnlimited) return;
    const before = this.#turn;
    const mine = Promise.withResolvers<void>();
    this.#turn = mine.promise;
    try {
      await before;
      await this.#waitFor(documents, bytes, signal);
    } finally {
      mine.resolve();
    }
  }

  get #isUnlimited(): boolean {
    return this.#bytes.size === Infinity && this.#documents.size === Infinity;
  }

  async #waitFor(documents: number, bytes: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const now = this.#clock.now();
      const wait = Math.max(
        this.#documents.waitFor(documents, now),
        this.#bytes.waitFor(bytes, now),
      );
      if (wait === 0) {
        this.#documents.take(documents);
        this.#bytes.take(bytes);
        return;
      }
      const changed = this.#changed.signal;
      const either = AbortSignal.any([signal, changed]);
      try {
        await this.#clock.sleep(Math.min(wait, LONGEST_SLEEP_MS), either);
      } catch (error) {
        if (!changed.aborted) throw error;
      }
    }
  }
}

/**
 * What each host may push in a second while some copy ranges of one migration: its throttle holds for all
 * together.
 * @param copying hosts beside the tracking one
 */
export function shareOf(limits: Limits | null, copying: number): Limits | null {
  if (limits === null) return null;
  const share = (limit: number | null): number | null =>
    limit === null ? null : Math.max(1, Math.floor(limit / (copying + 1)));
  return {
    bytesPerSecond: share(limits.bytesPerSecond),
    documentsPerSecond: share(limits.documentsPerSecond),
  };
}

/** Tokens that come in at a rate; one that holds a second's worth is full. */
class Bucket {
  #rate: number | null;
  #tokens: number;
  #at: number;

  constructor(rate: number | null, now: number) {
    this.#rate = rate;
    this.#tokens = rate ?? 0;
    this.#at = now;
  }

  /** How much it holds when it is full. */
  get size(): number {
    return this.#rate ?? Infinity;
  }

  /** A debt that is left of a push stays, and is paid at the new rate. */
  setRate(rate: number | null, now: number): void {
    this.#fill(now);
    if (this.#rate === null) this.#tokens = rate ?? 0;
    this.#rate = rate;
    this.#tokens = Math.min(this.#tokens, this.size);
  }

  /** Milliseconds until that many, or all that it can hold, are there. */
  waitFor(amount: number, now: number): number {
    if (this.#rate === null) return 0;
    this.#fill(now);
    const missing = Math.min(amount, this.size) - this.#tokens;
    return missing <= 0 ? 0 : Math.ceil((missing / this.#rate) * 1000);
  }

  /** More than it holds makes a debt. */
  take(amount: number): void {
    if (this.#rate !== null) this.#tokens -= amount;
  }

  #fill(now: number): void {
    const seconds = Math.max(0, now - this.#at) / 1000;
    this.#at = now;
    if (this.#rate !== null) {
      this.#tokens = Math.min(this.#rate, this.#tokens + seconds * this.#rate);
    }
  }
}
