import type { Progress } from '@linkspan/contract/push/progress.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { EngineLog } from './context.ts';
import { afterInterruption, measureIdle, unansweredSource } from './progress.ts';
import { Waiting } from './waiting.ts';

/**
 * Tells the server once, with what the journal knows, why a run was interrupted: the next one may not come as
 * far as its first report. Never rejects; a server that is away is told by the next run.
 * @param reason for people, without secrets
 */
export async function tellInterrupted(
  reason: string,
  run: {
    readonly migrationId: string;
    /** The journal's file. */
    readonly journalPath: string;
    readonly log: EngineLog;
    readonly report: (progress: Progress) => Promise<void>;
  },
): Promise<void> {
  try {
    using journal = journalOrNothing(run.journalPath, run.migrationId);
    const progress = measureIdle({ journal, waiting: new Waiting(), ...unansweredSource(journal) });
    await run.report({ ...afterInterruption(progress, reason), holdingBack: 'WAITING' });
  } catch (error) {
    run.log.debug({ reason: (error as Error).message }, 'a report did not reach the server');
  }
}

/** Where it cannot be opened, no figure of the migration may be shown. */
function journalOrNothing(path: string, migrationId: string): Journal {
  try {
    return openJournal(path, migrationId);
  } catch {
    return openJournal(':memory:', migrationId);
  }
}
