import { Notifier } from './notifier.ts';

const RECHECK_MS = 1000;

/**
 * Bytes that may be in flight at once (invariant I6). Something larger than the whole budget passes
 * when nothing else is in flight.
 */
export class ByteBudget {
  readonly #freed = new Notifier();
  readonly #limit: number;
  #used = 0;

  constructor(limitBytes: number) {
    this.#limit = limitBytes;
  }

  async acquire(bytes: number, signal: AbortSignal): Promise<void> {
    while (this.#used > 0 && this.#used + bytes > this.#limit) {
      const { version } = this.#freed;
      await this.#freed.wait(version, RECHECK_MS, signal);
    }
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
    this.#freed.notify();
  }
}

/** Hands out numbers from a fixed set, each to one holder at a time. */
export class NumberPool {
  readonly #freed = new Notifier();
  readonly #free: number[];

  constructor(first: number, count: number) {
    this.#free = Array.from({ length: count }, (_, index) => first + index);
  }

  async acquire(signal: AbortSignal): Promise<number> {
    for (;;) {
      const number = this.#free.shift();
      if (number !== undefined) return number;
      const { version } = this.#freed;
      await this.#freed.wait(version, RECHECK_MS, signal);
    }
  }

  release(number: number): void {
    this.#free.push(number);
    this.#freed.notify();
  }
}
