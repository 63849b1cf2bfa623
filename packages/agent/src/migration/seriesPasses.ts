import { setTimeout as sleep } from 'node:timers/promises';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { DigestCursorLostError } from '../push/errors.ts';
import { readRange } from '../source/reader.ts';
import { Comparison, type DestinationReads } from './comparison.ts';
import { contentOf, targetOf } from './content.ts';
import { CutoverFailedError, type MigrationContext, persist } from './context.ts';

/** Between two passes, in milliseconds; a long one is followed by a pause of so many times its length. */
const PAUSE_MS = 60_000;
const PAUSE_TIMES = 5;

const LOOK_MS = 1000;

/**
 * Rule D20: no event tells of the buckets of a time series, so they are compared with the destination,
 * and what differs is marked and pushed. Passes while tailing keep the one of the cutover short. What
 * was written since the last pass is not in the lag, so the progress says when that was (invariant I8).
 */
export class SeriesPasses {
  readonly #context: MigrationContext;
  readonly #isCuttingOver: () => boolean;
  #endedAt: Date | null = null;

  /** @param isCuttingOver during which the cutover compares by itself */
  constructor(context: MigrationContext, isCuttingOver: () => boolean) {
    this.#context = context;
    this.#isCuttingOver = isCuttingOver;
  }

  /** For the progress; none where nothing is moved as buckets. */
  warnings(): string[] {
    const { length } = this.#context.journal.pending.inBuckets();
    if (length === 0) return [];
    const last =
      this.#endedAt === null ? 'not since the agent started' : this.#endedAt.toISOString();
    return [
      `${length} time series collections send no changes: they are compared in full while the migration runs (last: ${last}) and at the cutover. The lag does not count what was written to them since.`,
    ];
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const { journal, signal, log, work } = this.#context;
    for (;;) {
      const started = performance.now();
      if (!this.#isCuttingOver()) allSeriesAgain(this.#context);
      while (!this.#isDone()) await work.wait(work.version, LOOK_MS, signal);
      if (journal.pending.inBuckets().length > 0) {
        this.#endedAt = new Date();
        log.info(
          { seconds: Math.round((performance.now() - started) / 1000) },
          'time series compared',
        );
      }
      const took = performance.now() - started;
      await sleep(Math.max(PAUSE_MS, took * PAUSE_TIMES), undefined, { signal });
    }
  }

  #isDone(): boolean {
    const { pending, verifications } = this.#context.journal;
    return pending.inBuckets().every((id) => verifications.of(id)?.done === true);
  }
}

/** What was compared of time series does not count any more: they may have been written since. */
export function allSeriesAgain({
  journal,
  work,
}: Pick<MigrationContext, 'journal' | 'work'>): void {
  journal.transaction(() => {
    for (const id of journal.pending.inBuckets()) journal.verifications.restart(id);
  });
  work.notify();
}

/**
 * The last look at time series, whose writes only their content shows (rule D20).
 * @throws {CutoverFailedError} if one was written since it was verified
 */
export async function seriesUnchanged(context: MigrationContext): Promise<void> {
  for (const id of context.journal.pending.inBuckets()) {
    const found = context.journal.incarnations.get(id);
    if (found === undefined || (await isUnchanged(context, found))) continue;
    throw new CutoverFailedError(
      `the time series ${formatNamespace(found.source)} was written after it was verified: stop all writes to the source and cut over again`,
    );
  }
}

async function isUnchanged(context: MigrationContext, one: Incarnation): Promise<boolean> {
  const { source, pusher, gate, signal, options, waiting } = context;
  const target = targetOf(one);
  if (target === null) return false;
  const reads: DestinationReads = {
    digest: (request) => pusher.digest(request, signal),
    keyDigests: (request) => pusher.keyDigests(request, signal),
  };
  const look = async (): Promise<boolean> => {
    const comparison = new Comparison(reads, target, null, options.unmatchedAtMost);
    const whole = { lower: null, upper: null };
    const { time: after } = gate.position;
    const chunk = (): number => options.verifyChunk;
    for await (const { documents } of readRange(source, contentOf(one), whole, after, chunk)) {
      for await (const { suspects } of comparison.add(documents)) {
        if (suspects.length > 0) return false;
      }
      if (comparison.take().suspects.length > 0) return false;
    }
    for await (const { suspects } of comparison.finish()) {
      if (suspects.length > 0) return false;
    }
    return comparison.take().suspects.length === 0;
  };
  const what = `comparing ${formatNamespace(one.source)} once more`;
  try {
    for (;;) {
      try {
        return await persist(context, what, look);
      } catch (error) {
        if (!(error instanceof DigestCursorLostError)) throw error;
        // With its push session: it begins again.
        signal.throwIfAborted();
      }
    }
  } finally {
    waiting.clear(what);
  }
}
