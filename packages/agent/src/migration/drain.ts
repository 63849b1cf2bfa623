import type { ClusterTime } from '../journal/clusterTime.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { linearizableTime, openTransactions } from '../source/reader.ts';
import { CutoverFailedError, type MigrationContext, persist } from './context.ts';
import type { Flusher } from './flusher.ts';
import type { Structure } from './structure.ts';
import type { Tracker } from './tracker.ts';
import { untilFirst } from './together.ts';
import type { Verifier } from './verifier.ts';

const IDLE_MS = 200;

/** What else runs, and what a cutover looks at. */
export interface Steps {
  readonly tracker: Tracker;
  readonly flusher: Flusher;
  readonly verifier: Verifier;
  readonly structure: Structure;
}

/**
 * Rule D21: when everything is at the destination, and whether the source was written since. What is
 * waited for ends after `drainMs`; building indexes ends when they are built.
 */
export class Drain {
  readonly #context: MigrationContext;
  readonly #steps: Steps;
  /** The time up to which all was at the destination; null until it was drained. */
  #drainedAt: ClusterTime | null = null;

  constructor(context: MigrationContext, steps: Steps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** Forgets an earlier cutover. */
  begin(): void {
    this.#drainedAt = null;
    this.#steps.flusher.refusals.stuck = null;
  }

  /**
   * Comes back when all is at the destination up to a time T at which no transaction was open, with
   * nothing written since. T is that of a linearizable read on the primary: no write that anyone got an
   * answer to is later, whichever member has become the primary meanwhile.
   * @throws {CutoverFailedError} if it does not come to rest in time
   */
  async drain(): Promise<void> {
    const { gate } = this.#context;
    const deadline = this.#deadline();
    for (;;) {
      const time = await this.#sample(deadline);
      await this.#inTime(deadline, (signal) => gate.waitFor(time, signal));
      await this.clean(deadline);
      if (this.#steps.tracker.lastWrite <= time) {
        this.#drainedAt = time;
        return;
      }
      this.#checkDeadline(deadline);
    }
  }

  /**
   * Samples again: a write since the drain fails the cutover. What the source deletes itself by a TTL
   * is pushed, and is no reason to fail.
   * @throws {CutoverFailedError}
   */
  async lookAgain(): Promise<void> {
    const { gate } = this.#context;
    const deadline = this.#deadline();
    const now = await this.#sample(deadline);
    await this.#inTime(deadline, (signal) => gate.waitFor(now, signal));
    await this.clean(deadline);
    this.checkHopeless();
  }

  /** Waits until nothing is dirty, provisional, in flight, structural or to reconcile. */
  async clean(deadline = this.#deadline()): Promise<void> {
    const { work, signal } = this.#context;
    for (;;) {
      const { version } = work;
      this.checkHopeless();
      if (this.#isClean()) return;
      this.#checkDeadline(deadline);
      await work.wait(version, IDLE_MS, signal);
    }
  }

  /**
   * Waits until structure is settled, as long as it takes: indexes of large collections take hours.
   * A refusal fails the cutover with its reason; so does a side that is away for `drainMs`.
   */
  async settled(what: string): Promise<void> {
    await this.#asLongAsItTakes(what, () => this.#steps.structure.isSettled);
  }

  /**
   * Waits until everything was compared and is equal, as long as it takes. What goes on differing fails
   * the cutover.
   */
  async verified(): Promise<void> {
    const { verifier } = this.#steps;
    verifier.finish();
    await this.#asLongAsItTakes('comparing documents', () => {
      const { stuck } = verifier;
      if (stuck !== null) throw new CutoverFailedError(stuck);
      return verifier.isDone && this.#isClean();
    });
  }

  /**
   * Does something that both sides have to answer for, as long as they do and nothing else fails the
   * cutover.
   * @throws {CutoverFailedError}
   */
  async whileAnswered<T>(what: string, task: (signal: AbortSignal) => Promise<T>): Promise<T> {
    return untilFirst<T>(this.#context.signal, (signal) => [
      task(signal),
      // It only ever ends by failing.
      this.#asLongAsItTakes(what, () => false, signal) as Promise<never>,
    ]);
  }

  async #asLongAsItTakes(
    what: string,
    isDone: () => boolean,
    signal = this.#context.signal,
  ): Promise<void> {
    const { work, pusher, waiting, options } = this.#context;
    let answeredAt = performance.now();
    for (;;) {
      const { version } = work;
      this.checkHopeless(`${what} failed: `);
      if (isDone()) return;
      const away = pusher.away ?? waiting.describe();
      if (away === null) answeredAt = performance.now();
      if (performance.now() - answeredAt > options.drainMs) {
        throw new CutoverFailedError(
          `${what} had to wait for ${seconds(options.drainMs)} (${away}): cut over again when that is over`,
        );
      }
      await work.wait(version, IDLE_MS, signal);
    }
  }

  /**
   * Asks the source until it answers. One that is away must not hold a cutover, and its write block,
   * for ever.
   * @throws {CutoverFailedError} after the deadline
   */
  async ask<T>(
    what: string,
    attempt: (signal: AbortSignal) => Promise<T>,
    deadline = this.#deadline(),
  ): Promise<T> {
    return this.#inTime(deadline, async (signal) => {
      try {
        return await persist({ ...this.#context, signal }, what, () => attempt(signal));
      } catch (error) {
        if (!signal.aborted || this.#context.signal.aborted) throw error;
        const failure = this.#tooLate();
        this.#context.waiting.clear(what);
        throw failure;
      }
    });
  }

  /** @throws {CutoverFailedError} after the deadline */
  async #inTime<T>(deadline: number, wait: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const late = AbortSignal.timeout(Math.max(0, Math.ceil(deadline - performance.now())));
    try {
      return await wait(AbortSignal.any([this.#context.signal, late]));
    } catch (error) {
      const isLate = late.aborted && error === late.reason && !this.#context.signal.aborted;
      throw isLate ? this.#tooLate() : error;
    }
  }

  /** A time of the primary, taken while no transaction was open that could commit after it. */
  async #sample(deadline: number): Promise<ClusterTime> {
    const { source, signal, work } = this.#context;
    for (;;) {
      const open = await this.ask(
        'asking the source for open transactions',
        () => openTransactions(source),
        deadline,
      );
      if (open === null || open === 0) break;
      this.#checkDeadline(deadline, `${open} transactions are open at the source`);
      await work.wait(work.version, IDLE_MS, signal);
    }
    return this.ask('asking the source for its time', () => linearizableTime(source), deadline);
  }

  #isClean(): boolean {
    const { journal } = this.#context;
    const { structure, flusher, verifier } = this.#steps;
    return (
      structure.isSettled &&
      !journal.pending.hasUncopied() &&
      journal.dirty.behindSince() === null &&
      verifier.toRepair === 0 &&
      !flusher.isBusy
    );
  }

  /**
   * Fails as soon as it is known that the cutover cannot succeed.
   * @throws {CutoverFailedError}
   */
  checkHopeless(prefix = ''): void {
    const { structure, tracker, flusher } = this.#steps;
    this.#refuseUnsupported();
    const [refusal] = structure.refusals.values();
    if (refusal !== undefined) throw new CutoverFailedError(prefix + refusal);
    if (this.#drainedAt !== null && tracker.lastWrite > this.#drainedAt) {
      throw new CutoverFailedError(
        'the source was written after the cutover began: stop all writes to it and cut over again',
      );
    }
    if (flusher.refusals.stuck !== null) throw new CutoverFailedError(flusher.refusals.stuck);
  }

  #refuseUnsupported(): void {
    const [found] = this.#context.journal.pending.unsupported(1);
    if (found === undefined) return;
    throw new CutoverFailedError(
      `${formatNamespace(found.source)} cannot be migrated: ${found.unsupported}. Drop it at the source, or convert it, and cut over again.`,
    );
  }

  #deadline(): number {
    return performance.now() + this.#context.options.drainMs;
  }

  #checkDeadline(deadline: number, why = 'changes of the source keep coming'): void {
    if (performance.now() >= deadline) throw this.#tooLate(why);
  }

  #tooLate(why = 'the source does not answer'): CutoverFailedError {
    const { journal, options, pusher, waiting } = this.#context;
    const reason = pusher.waiting ?? waiting.describe() ?? why;
    return new CutoverFailedError(
      `it did not come to rest within ${seconds(options.drainMs)} (${reason}; ${journal.dirty.count()} keys are still to be pushed): stop writes to the source and cut over again`,
    );
  }
}

function seconds(milliseconds: number): string {
  return `${Math.round(milliseconds / 1000)} seconds`;
}
