import type { CopyRange } from '../journal/copyRanges.ts';
import { Notifier } from './notifier.ts';

/**
 * - `WAITING`: nobody copies it.
 * - `HERE`: this host does.
 * - `OFFERED`, `TAKEN`: any other host may, or one does; see `contract/push/ranges.ts`.
 * - `OVER`: it was copied, or given up because the collection has changed its name.
 */
type State = 'WAITING' | 'HERE' | 'OFFERED' | 'TAKEN' | 'OVER';

/** One range of a collection that is being copied. */
export class QueuedRange {
  readonly number: number;
  state: State = 'WAITING';
  /** This host has nothing else to copy of the collection and asks for it. */
  isWantedHere = false;
  /** It was offered and came back: another host could not copy it, or not all of it. */
  isForHere = false;

  constructor(number: number) {
    this.number = number;
  }
}

/**
 * The ranges of one collection that are left to be copied. This host takes them from the first on, other
 * hosts are offered them from the last on.
 */
export class RangeQueue {
  readonly incarnation: number;
  /** The count of changes of its name when the copy began: see `lives.ts`. */
  readonly names: number;
  readonly ranges: readonly QueuedRange[];
  readonly #changed = new Notifier();
  readonly #onWanted: () => void;
  #isStopped = false;

  /** @param onWanted called when a range that is offered is wanted here */
  constructor(
    incarnation: number,
    names: number,
    ranges: readonly CopyRange[],
    onWanted: () => void,
  ) {
    this.incarnation = incarnation;
    this.names = names;
    this.ranges = ranges.map(({ number }) => new QueuedRange(number));
    this.#onWanted = onWanted;
  }

  /** Nothing of it is begun any more; ranges that other hosts copy are waited for. */
  stop(): void {
    this.#isStopped = true;
    this.note();
  }

  get isStopped(): boolean {
    return this.#isStopped;
  }

  /** True once a range may be offered: more are left than this host copies at once. */
  get hasWaiting(): boolean {
    return !this.#isStopped && this.ranges.some(({ state }) => state === 'WAITING');
  }

  /** A range has another state. */
  note(): void {
    this.#changed.notify();
  }

  /**
   * The next range to be copied here. Comes back with null when none is left, here or elsewhere, and once
   * the queue is stopped and nothing is left elsewhere.
   * @throws the signal's reason
   */
  async next(signal: AbortSignal): Promise<QueuedRange | null> {
    for (;;) {
      signal.throwIfAborted();
      const { version } = this.#changed;
      const waiting = this.#isStopped
        ? undefined
        : this.ranges.find(({ state }) => state === 'WAITING');
      if (waiting !== undefined) {
        waiting.state = 'HERE';
        waiting.isWantedHere = false;
        return waiting;
      }
      const elsewhere = this.ranges.filter(({ state }) => state === 'OFFERED' || state === 'TAKEN');
      if (elsewhere.length === 0) return null;
      const free = elsewhere.find(
        ({ state, isWantedHere }) => state === 'OFFERED' && !isWantedHere,
      );
      if (free !== undefined) {
        free.isWantedHere = true;
        this.#onWanted();
      }
      await this.#changed.wait(version, RECHECK_MS, signal);
    }
  }
}

const RECHECK_MS = 1000;
