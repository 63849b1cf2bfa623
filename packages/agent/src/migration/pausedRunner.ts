import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '@linkspan/contract/push/messages.ts';
import { openJournal } from '../journal/journal.ts';
import { TransientPushError } from '../push/transport.ts';
import { connectSource } from '../source/connection.ts';
import { begin } from './begin.ts';
import { type EngineLog, persist } from './context.ts';
import { TrackedGate } from './gate.ts';
import { Lives } from './lives.ts';
import { Meter } from './meter.ts';
import { Notifier } from './notifier.ts';
import { measureProgress } from './progress.ts';
import { Tracker } from './tracker.ts';
import { Waiting } from './waiting.ts';

const REPORT_MS = 2000;

export interface PausedDependencies {
  readonly migrationId: string;
  /** With credentials. */
  readonly sourceUri: string;
  /** The journal's file; made if it is not there. */
  readonly journalPath: string;
  readonly log: EngineLog;
  /** Tells the server how it stands. @throws {TransientPushError} to be tried again later */
  readonly report: (progress: Progress, signal: AbortSignal) => Promise<void>;
}

/**
 * Goes on reading the change stream of a paused migration into its journal, so that a pause may be
 * longer than the source's history. Nothing is copied and nothing is pushed.
 * @throws {MigrationEndedError} {@link LinkRefusedError} when the server ends it
 * @throws {MigrationFailedError} if the source is another one; {@link runMigration} tells the server
 * @throws the signal's reason
 */
export async function trackWhilePaused(
  deps: PausedDependencies,
  signal: AbortSignal,
): Promise<void> {
  using journal = openJournal(deps.journalPath, deps.migrationId);
  const scope = { signal, waiting: new Waiting(), log: deps.log };
  await using source = await persist(scope, 'connecting to the source', () =>
    connectSource(deps.sourceUri),
  );
  await begin(scope, journal, source);
  const stop = new AbortController();
  const context = {
    ...scope,
    signal: AbortSignal.any([signal, stop.signal]),
    journal,
    source,
    gate: new TrackedGate(journal.state()?.position ?? { time: 0n, through: false }),
    lives: new Lives(),
    work: new Notifier(),
    meter: new Meter(),
    pusher: { waiting: null, bytesSent: 0 },
    sizes: { isKnown: () => false },
  };
  // Whoever goes on after the pause finds that in the journal.
  const tracker = new Tracker(context, () => journal.saveListedAt(null));
  const reportAll = async (): Promise<never> => {
    for (;;) {
      const live = journal.incarnations.live();
      const progress = measureProgress(context, {
        cutover: null,
        isListed: journal.state()?.listedAt !== null,
        isStructureSettled:
          journal.structural.count() === 0 && live.every(({ toReconcile }) => !toReconcile),
        refusals: [],
        toRepair: live.filter(({ toRepair }) => toRepair).length,
      });
      const still = { readyForCutover: false, rates: null, etaSeconds: null, holdingBack: null };
      try {
        await deps.report({ ...progress, ...still }, context.signal);
      } catch (error) {
        if (!(error instanceof TransientPushError)) throw error;
        deps.log.debug({ reason: error.message }, 'a report did not reach the server');
      }
      await sleep(REPORT_MS, undefined, { signal: context.signal });
    }
  };
  const steps = [tracker.run(), reportAll()];
  try {
    await Promise.race(steps);
  } finally {
    stop.abort(new Error('tracking has stopped'));
    await Promise.allSettled(steps);
  }
}
