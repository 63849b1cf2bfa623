import { formatNamespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { PushRefusedError } from '../push/errors.ts';
import { linearizableTime, openTransactions } from '../source/reader.ts';
import { type MigrationContext, persist } from './context.ts';
import type { Flusher } from './flusher.ts';
import type { Repairer } from './repairer.ts';
import type { Structure } from './structure.ts';
import type { Tracker } from './tracker.ts';
import { verifyCollection } from './verifier.ts';

const IDLE_MS = 200;

/** Verification is repeated for what it found and pushed; the same again means it cannot be made equal. */
const VERIFY_ROUNDS = 3;

export type CutoverPhase = 'DRAINING' | 'VERIFYING' | 'FINALIZING';

/** The cutover cannot be a success; the migration goes on working (rule D22). */
export class CutoverFailedError extends Error {
  override readonly name = 'CutoverFailedError';
}

interface Steps {
  readonly tracker: Tracker;
  readonly flusher: Flusher;
  readonly repairer: Repairer;
  readonly structure: Structure;
}

/**
 * Step 7: drain → unique indexes → verify → TTL live → structure compared → COMPLETE (rule D22).
 * Writes at the source must have been stopped; ones that come after all was drained fail the cutover
 * (rule D21).
 */
export class Cutover {
  readonly #context: MigrationContext;
  readonly #steps: Steps;
  #phase: CutoverPhase | null = null;
  /** The time up to which all was at the destination; null until it was drained. */
  #drainedAt: ClusterTime | null = null;

  constructor(context: MigrationContext, steps: Steps) {
    this.#context = context;
    this.#steps = steps;
  }

  /** null while no cutover is under way. */
  get phase(): CutoverPhase | null {
    return this.#phase;
  }

  /**
   * Carries out one attempt.
   * @returns what was verified
   * @throws {CutoverFailedError} after the destination was made what it is while tailing
   */
  async run(): Promise<{ collections: number; documents: number }> {
    const { structure, flusher } = this.#steps;
    try {
      this.#phase = 'DRAINING';
      this.#drainedAt = null;
      flusher.stuck = null;
      structure.relist();
      this.#drainedAt = await this.#drain();
      structure.enterStage('unique');
      await this.#settled('building unique indexes');
      this.#phase = 'VERIFYING';
      const verified = await this.#verify();
      this.#phase = 'FINALIZING';
      structure.enterStage('final');
      await this.#settled('making TTL indexes live');
      await this.#compareStructure();
      await this.#context.hooks.beforeComplete?.();
      await this.#sampleAgain();
      return verified;
    } catch (error) {
      const failure =
        error instanceof PushRefusedError ? new CutoverFailedError(error.message) : error;
      if (failure instanceof CutoverFailedError) structure.enterStage('tail');
      throw failure;
    } finally {
      this.#phase = null;
    }
  }

  #refuseUnsupported(): void {
    const found = this.#context.journal.incarnations.live().find(({ unsupported }) => unsupported);
    if (found === undefined) return;
    throw new CutoverFailedError(
      `${formatNamespace(found.source)} cannot be migrated: ${found.unsupported}. Drop it at the source, or convert it, and cut over again.`,
    );
  }

  /** Returns the time up to which all is at the destination, with nothing written since. */
  async #drain(): Promise<ClusterTime> {
    const { source, gate, signal, options } = this.#context;
    const deadline = performance.now() + options.drainMs;
    for (;;) {
      await this.#noOpenTransactions(deadline);
      const time = await persist(this.#context, 'asking the source for its time', () =>
        linearizableTime(source),
      );
      await gate.waitFor(time, signal);
      await this.#until(() => this.#isClean(), deadline, 'changes of the source keep coming');
      if (this.#steps.tracker.lastWrite <= time) return time;
      this.#checkDeadline(deadline, 'changes of the source keep coming');
    }
  }

  async #noOpenTransactions(deadline: number): Promise<void> {
    const { source, signal, work } = this.#context;
    for (;;) {
      const open = await persist(this.#context, 'asking the source for open transactions', () =>
        openTransactions(source),
      );
      if (open === null || open === 0) return;
      this.#checkDeadline(deadline, `${open} transactions are open at the source`);
      await work.wait(work.version, IDLE_MS, signal);
    }
  }

  #isClean(): boolean {
    const { journal } = this.#context;
    const { structure, flusher, repairer } = this.#steps;
    return (
      structure.isSettled &&
      journal.incarnations.live().every(({ state }) => state === 'COPIED') &&
      journal.dirty.behindSince() === null &&
      repairer.remaining === 0 &&
      !flusher.isBusy
    );
  }

  /**
   * Waits until structure is settled, as long as it takes: indexes of large collections take hours.
   * A refusal fails the cutover with its reason.
   */
  async #settled(what: string): Promise<void> {
    const { structure } = this.#steps;
    const { work, signal } = this.#context;
    while (!structure.isSettled) {
      const { version } = work;
      this.#checkHopeless(`${what} failed: `);
      await work.wait(version, IDLE_MS, signal);
    }
  }

  /** Each round verifies the collections in which the one before found differences. */
  async #verify(): Promise<{ collections: number; documents: number }> {
    const { journal, options } = this.#context;
    const documents = new Map<number, number>();
    let remaining = collectionsOf(this.#context);
    for (let round = 0; remaining.length > 0; round += 1) {
      const different: number[] = [];
      for (const id of remaining) {
        const verified = await verifyCollection(this.#context, id);
        if (verified === null) continue;
        documents.set(id, verified.documents);
        if (verified.differences > 0) different.push(id);
      }
      const deadline = performance.now() + options.drainMs;
      await this.#until(() => this.#isClean(), deadline, 'changes of the source keep coming');
      if (different.length > 0 && round + 1 === VERIFY_ROUNDS) {
        const names = different.flatMap((id) => {
          const found = journal.incarnations.get(id);
          return found === undefined ? [] : [formatNamespace(found.source)];
        });
        throw new CutoverFailedError(
          `documents of ${names.join(', ')} still differ after they were pushed ${VERIFY_ROUNDS - 1} times: either the source is being written, or something else writes to the destination`,
        );
      }
      remaining = different;
    }
    return {
      collections: documents.size,
      documents: [...documents.values()].reduce((sum, count) => sum + count, 0),
    };
  }

  /**
   * D5, D22: names as listed on both sides, and a reconciliation that finds nothing to change: the
   * server compares options and indexes, and says what it did.
   */
  async #compareStructure(): Promise<void> {
    const { structure } = this.#steps;
    structure.relist();
    await this.#settled('comparing names');
    structure.enterStage('final');
    await this.#settled('comparing structure');
    if (structure.changes.length > 0) {
      throw new CutoverFailedError(
        `the structure of the destination changed while it was compared: ${structure.changes.join('; ')}`,
      );
    }
    const { journal, pusher, signal } = this.#context;
    const { namespaces } = await pusher.listing(signal);
    const there = new Set(namespaces.map((namespace) => namespaceKey(namespace)));
    const here = new Set<string>();
    for (const { source } of journal.incarnations.live()) {
      here.add(namespaceKey(source));
      if (!there.has(namespaceKey(source))) {
        throw new CutoverFailedError(`${formatNamespace(source)} is missing at the destination`);
      }
    }
    for (const namespace of namespaces) {
      if (here.has(namespaceKey(namespace))) continue;
      throw new CutoverFailedError(
        `${formatNamespace(namespace)} was made for this migration and is not at the source any more`,
      );
    }
  }

  /** D21: samples again. What the source deletes itself by a TTL is pushed, and is no reason to fail. */
  async #sampleAgain(): Promise<void> {
    const { source, gate, signal, options } = this.#context;
    const deadline = performance.now() + options.drainMs;
    await this.#noOpenTransactions(deadline);
    const now = await persist(this.#context, 'asking the source for its time', () =>
      linearizableTime(source),
    );
    await gate.waitFor(now, signal);
    this.#checkHopeless();
    await this.#until(() => this.#isClean(), deadline, 'changes of the source keep coming');
    this.#checkHopeless();
  }

  async #until(isDone: () => boolean, deadline: number, why: string): Promise<void> {
    const { work, signal } = this.#context;
    while (!isDone()) {
      const { version } = work;
      this.#checkHopeless();
      this.#checkDeadline(deadline, why);
      await work.wait(version, IDLE_MS, signal);
    }
  }

  /** Fails as soon as it is known that the cutover cannot succeed. */
  #checkHopeless(prefix = ''): void {
    const { structure, tracker, flusher } = this.#steps;
    this.#refuseUnsupported();
    const [refusal] = structure.refusals.values();
    if (refusal !== undefined) throw new CutoverFailedError(prefix + refusal);
    if (this.#drainedAt !== null && tracker.lastWrite > this.#drainedAt) {
      throw new CutoverFailedError(
        'the source was written after the cutover began: stop all writes to it and cut over again',
      );
    }
    if (flusher.stuck !== null) throw new CutoverFailedError(flusher.stuck);
  }

  #checkDeadline(deadline: number, why: string): void {
    if (performance.now() < deadline) return;
    const { journal, options } = this.#context;
    throw new CutoverFailedError(
      `it did not come to rest within ${Math.round(options.drainMs / 1000)} seconds (${why}; ${journal.dirty.count()} keys are still to be pushed): stop writes to the source and cut over again`,
    );
  }
}

function collectionsOf({ journal }: MigrationContext): number[] {
  return journal.incarnations
    .live()
    .filter(({ type, unsupported }) => type === 'collection' && unsupported === null)
    .map(({ id }) => id);
}
