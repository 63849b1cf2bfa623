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

/** The newest batch or structural request of a lane, and its answer once it was carried out. */
interface Taken {
  readonly seq: number;
  answer: Promise<unknown> | null;
}

/**
 * The lanes of one session (rule D13), of documents or of structure. A batch starts when the fate of the one before it on its lane
 * is known; a smaller number is refused. The same number is the same batch again: a proxy may deliver
 * it late, when documents that it wrote are gone again, so it is answered as the first time and
 * carried out again only if it failed.
 */
export class Lanes {
  readonly #queues = new KeyedQueues();
  readonly #newest = new Map<number, Taken>();

  /** @throws {PushError} LANE_STALE */
  async run<T>(lane: number, seq: number, task: () => Promise<T>): Promise<T> {
    const newest = this.#newest.get(lane);
    if (newest !== undefined && seq < newest.seq) {
      throw new PushError(
        'LANE_STALE',
        `number ${seq} of lane ${lane} came after number ${newest.seq} of it was taken`,
      );
    }
    if (newest === undefined && this.#newest.size >= MAX_LANES) {
      throw new PushError('MESSAGE_INVALID', `a session has at most ${MAX_LANES} lanes`);
    }
    if (newest?.seq === seq && newest.answer !== null) return newest.answer as Promise<T>;
    const answer = this.#queues.run([String(lane)], task);
    const taken: Taken = { seq, answer };
    this.#newest.set(lane, taken);
    answer.catch(() => {
      taken.answer = null;
    });
    return answer;
  }
}
