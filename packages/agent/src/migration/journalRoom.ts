import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import { journalFault, JournalUnusableError } from '../journal/errors.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { EngineLog } from './context.ts';
import { measureIdle, unansweredSource } from './progress.ts';
import { Waiting } from './waiting.ts';

const LOOK_MS = 1000;

interface Room {
  readonly migrationId: string;
  /** The journal's file. */
  readonly journalPath: string;
  readonly log: EngineLog;
  /** Tells the server how it stands. */
  readonly report: (progress: Progress) => Promise<void>;
}

/**
 * After a migration was stopped by an error: where that was the journal's file (a full disk), tells the
 * server what it waits for, and comes back once the file can be written again. Everything in memory
 * has gone with the stop, so it cannot be ahead of the journal; the next start goes on from the file.
 * @throws the error itself, or what it says of the journal's file once that can be used again
 * @throws the signal's reason
 */
export async function waitForJournal(
  error: unknown,
  { migrationId, journalPath, log, report }: Room,
  signal: AbortSignal,
): Promise<never> {
  let fault = journalFault(error, journalPath);
  const waiting = new Waiting();
  const tell = (journal: Journal): Promise<void> =>
    report(measureIdle({ journal, waiting, ...unansweredSource(journal) }));
  while (fault instanceof JournalUnusableError && !signal.aborted) {
    const { message } = fault;
    waiting.set('journal', message);
    log.error({ reason: message }, 'the journal cannot be used');
    const again = await lookAgain(migrationId, journalPath, tell);
    if (again === null) throw fault;
    fault = again;
    await sleep(LOOK_MS, undefined, { signal });
  }
  throw fault;
}

/** @returns why it cannot be used yet, or null */
async function lookAgain(
  migrationId: string,
  journalPath: string,
  tell: (journal: Journal) => Promise<void>,
): Promise<unknown> {
  let open: Journal | null = null;
  try {
    open = openJournal(journalPath, migrationId);
    await tell(open);
    open.tryToWrite();
    return null;
  } catch (error) {
    const fault = journalFault(error, journalPath);
    if (open === null && fault instanceof JournalUnusableError) {
      // Nothing is known of the migration but that: no figure of it may be shown.
      using nothing = openJournal(':memory:', migrationId);
      await tell(nothing);
    }
    return fault;
  } finally {
    open?.[Symbol.dispose]();
  }
}
