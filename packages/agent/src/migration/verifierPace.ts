import type { MigrationContext } from './context.ts';
import { Notifier } from './notifier.ts';

/** It rests so much longer than its last step took: half of the time, or four fifths of it while changes are pending. */
const IDLE_REST = 1;
const BUSY_REST = 4;
const LONGEST_REST_MS = 5000;

/** A look for work goes through all collections, so that it is not made at every change. */
const IDLE_MS = 300;

/**
 * When verification may run, and how fast, so that it leaves the way to copy and flush: it waits while a
 * collection is copied, and rests after each step for as long as the servers' answers took, or longer.
 */
export class VerifierPace {
  readonly #context: Pick<MigrationContext, 'journal' | 'signal'>;
  readonly #changed = new Notifier();
  #state: 'background' | 'hurried' | 'held' = 'background';

  constructor(context: Pick<MigrationContext, 'journal' | 'signal'>) {
    this.#context = context;
  }

  /** `hurried`: a cutover waits for it. `held`: not at all. */
  set(state: 'background' | 'hurried' | 'held'): void {
    this.#state = state;
    this.#changed.notify();
  }

  get isHeld(): boolean {
    return this.#state === 'held';
  }

  get isHurried(): boolean {
    return this.#state === 'hurried';
  }

  get mayRun(): boolean {
    if (this.#state !== 'background') return this.#state === 'hurried';
    const { journal } = this.#context;
    return journal.state()?.listedAt !== null && !journal.verifications.isCopying();
  }

  /** Until there may be something to do. */
  async idle(): Promise<void> {
    await this.#changed.wait(this.#changed.version, IDLE_MS, this.#context.signal);
  }

  async rest(tookMs: number): Promise<void> {
    if (this.isHurried) return;
    const { version } = this.#changed;
    const { journal, signal } = this.#context;
    const factor = journal.dirty.behindSince() === null ? IDLE_REST : BUSY_REST;
    await this.#changed.wait(version, Math.min(tookMs * factor, LONGEST_REST_MS), signal);
  }
}
