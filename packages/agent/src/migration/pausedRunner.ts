import { setTimeout as sleep } from 'node:timers/promises';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import { NO_TIME } from '../journal/clusterTime.ts';
import { openJournal } from '../journal/journal.ts';
import { TransientPushError } from '../push/transport.ts';
import type { SourceConnection } from '../source/connection.ts';
import { begin } from './begin.ts';
import { type EngineLog, MigrationFailedError } from './context.ts';
import { TrackedGate } from './gate.ts';
import { waitForJournal } from './journalRoom.ts';
import { Lives } from './lives.ts';
import { Notifier } from './notifier.ts';
import { afterInterruption, measureIdle, unansweredSource } from './progress.ts';
import { keepReporting } from './reporting.ts';
import { untilFirst } from './together.ts';
import { Tracker } from './tracker.ts';
import { Waiting } from './waiting.ts';

const REPORT_MS = 2000;
const OTHER_SOURCE_PAUSE_MS = 10_000;

const TRUE_SOURCE = 'the source that the migration began with';

export interface PausedDependencies {
  readonly migrationId: string;
  /** What is moved; null: everything. */
  readonly namespaces: Namespaces | null;
  /** With credentials. */
  readonly sourceUri: string;
  /** The journal's file; made if it is not there. */
  readonly journalPath: string;
  readonly log: EngineLog;
  /** Tells the server how it stands. @throws {TransientPushError} to be tried again later */
  readonly report: (progress: Progress, signal: AbortSignal) => Promise<void>;
  /** Why the run before was interrupted, while that is worth telling; null: not. */
  readonly interrupted?: () => string | null;
}

/**
 * Goes on reading the change stream of a paused migration into its journal, so that a pause may be
 * longer than the source's history. Nothing is copied and nothing is pushed. A source that cannot be
 * followed is told of, and tried again: only {@link runMigration} ends a migration for it.
 * @throws {MigrationEndedError} {@link LinkRefusedError} when the server ends it
 * @throws {JournalUnusableError} as {@link runMigration} does
 * @throws the signal's reason
 */
export async function trackWhilePaused(
  deps: PausedDependencies,
  signal: AbortSignal,
): Promise<void> {
  const { migrationId, journalPath, log } = deps;
  try {
    await trackFromJournal(deps, signal);
  } catch (error) {
    const report = (progress: Progress): Promise<void> => send(deps, progress, signal);
    await waitForJournal(error, { migrationId, journalPath, log, report }, signal);
  }
}

async function send(
  { report, log }: PausedDependencies,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  try {
    await report(progress, signal);
  } catch (error) {
    if (!(error instanceof TransientPushError)) throw error;
    log.debug({ reason: error.message }, 'a report did not reach the server');
  }
}

async function trackFromJournal(deps: PausedDependencies, signal: AbortSignal): Promise<void> {
  using journal = openJournal(deps.journalPath, deps.migrationId);
  const { log } = deps;
  const waiting = new Waiting();
  const problems: string[] = [];
  const selection = new Selection(deps.namespaces);
  let at: Parameters<typeof measureIdle>[0] = { journal, waiting, ...unansweredSource(journal) };

  const connect = async (both: AbortSignal): Promise<SourceConnection> => {
    for (;;) {
      try {
        const source = await begin({ signal: both, waiting, log }, journal, deps.sourceUri);
        problems.length = 0;
        waiting.clear(TRUE_SOURCE);
        return source;
      } catch (error) {
        if (!(error instanceof MigrationFailedError)) throw error;
        log.error({ reason: error.message }, 'its changes cannot be followed');
        problems.splice(0, 1, `Its changes are not followed while it is paused: ${error.message}.`);
        waiting.set(TRUE_SOURCE, TRUE_SOURCE);
        await sleep(OTHER_SOURCE_PAUSE_MS, undefined, { signal: both });
      }
    }
  };
  const follow = async (both: AbortSignal): Promise<void> => {
    await using source = await connect(both);
    const gate = new TrackedGate(journal.state()?.position ?? { time: NO_TIME, through: false });
    const parts = { journal, source, gate, waiting };
    at = parts;
    const context = {
      ...parts,
      selection,
      log,
      signal: both,
      lives: new Lives(journal),
      work: new Notifier(),
    };
    // Whoever goes on after the pause finds that in the journal.
    await new Tracker(context, () => journal.saveListedAt(null)).run();
  };
  await untilFirst(signal, (both) => [
    follow(both),
    keepReporting(
      REPORT_MS,
      () => afterInterruption(measureIdle(at, problems), deps.interrupted?.() ?? null),
      (progress) => send(deps, progress, both),
      both,
    ),
  ]);
}
