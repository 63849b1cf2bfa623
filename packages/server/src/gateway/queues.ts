import { PushError } from './errors.ts';

/** Runs what has the same key one after the other, in the order in which it came. */
export class KeyedQueues {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Waits until everything that came before it under any of the keys has ended, whatever its end. */
  async run<T>(keys: readonly string[], task: () => Promise<T>): Promise<T> {
    const before = keys.map((key) => this.#tails.get(key) ?? Promise.resolve());
    const result = Promise.allSettled(before).then(task);
    // Kept until it is the last one of its key no more, so that finished keys take no memory.
    const tail = result
      .catch(() => undefined)
      .then(() => {
        for (const key of keys) if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    for (const key of keys) this.#tails.set(key, tail);
    return result;
  }
}

/** Lanes of one session at most; an agent uses a few dozen. */
const MAX_LANES = 4096;

/**
 * The lanes of one session (rule D13). A batch starts when the fate of the one before it on its lane
 * is known; the same number again is the same batch again, a smaller one is refused.
 */
export class Lanes {
  readonly #queues = new KeyedQueues();
  readonly #newest = new Map<number, number>();

  /** @throws {PushError} LANE_STALE */
  async run<T>(lane: number, seq: number, task: () => Promise<T>): Promise<T> {
    const newest = this.#newest.get(lane) ?? 0;
    if (seq < newest) {
      throw new PushError(
        'LANE_STALE',
        `batch ${seq} of lane ${lane} came after batch ${newest} of it was taken`,
      );
    }
    if (newest === 0 && this.#newest.size >= MAX_LANES) {
      throw new PushError('MESSAGE_INVALID', `a session has at most ${MAX_LANES} lanes`);
    }
    this.#newest.set(lane, seq);
    return this.#queues.run([String(lane)], task);
  }
}
