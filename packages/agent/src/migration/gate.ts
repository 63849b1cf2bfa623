import type { ClusterTime } from '../journal/clusterTime.ts';
import type { TrackedPosition } from '../journal/journal.ts';
import { Notifier } from './notifier.ts';

/** How often a waiter looks again although nothing woke it. */
const RECHECK_MS = 1000;

/**
 * Holds back what was read until the stream has passed the time of the read (rule D7): only then is
 * it known whether the name that was read still belonged to the same collection, and whether the
 * document was changed since.
 */
export class TrackedGate {
  readonly #passed = new Notifier();
  #position: TrackedPosition;
  #waiting = 0;

  constructor(position: TrackedPosition) {
    this.#position = position;
  }

  get position(): TrackedPosition {
    return this.#position;
  }

  /** True while someone waits: the stream is then read with short waits. */
  get isWaitedFor(): boolean {
    return this.#waiting > 0;
  }

  advance(position: TrackedPosition): void {
    this.#position = position;
    this.#passed.notify();
  }

  hasPassed(time: ClusterTime): boolean {
    const { time: tracked, through } = this.#position;
    return time < tracked || (time === tracked && through);
  }

  /** Resolves once every event up to and including `time` is in the journal. */
  async waitFor(time: ClusterTime, signal: AbortSignal): Promise<void> {
    this.#waiting += 1;
    try {
      while (!this.hasPassed(time)) {
        const { version } = this.#passed;
        await this.#passed.wait(version, RECHECK_MS, signal);
      }
    } finally {
      this.#waiting -= 1;
    }
  }
}
