import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { MigrationWork } from '@linkspan/contract/push/work.ts';
import { trackWhilePaused } from '../../src/migration/pausedRunner.ts';
import { type RunnerDependencies, runMigration } from '../../src/migration/runner.ts';
import type { Pusher } from '../../src/push/pusher.ts';

/** What a migration told its server, and how it ended; there is no server. */
export interface Told extends AsyncDisposable {
  readonly reports: Progress[];
  /** Why the migration was given up, as the server was told. */
  readonly failures: string[];
  readonly ended: Promise<void>;
}

/** A directory for the journal of a test. */
export function journalDirectory(): Disposable & { readonly path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'linkspan-journal-'));
  return {
    path: join(directory, 'journal.sqlite'),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

const silent = (): void => undefined;
const log = { debug: silent, info: silent, warn: silent, error: silent };

/**
 * Runs a migration, or follows a paused one, whose reports go into a list.
 * @param calls what the server is told otherwise
 */
export function tell(
  kind: 'run' | 'paused',
  sourceUri: string,
  journalPath: string,
  how: Partial<RunnerDependencies> = {},
  calls: Partial<Pusher> = {},
): Told {
  const stop = new AbortController();
  const reports: Progress[] = [];
  const failures: string[] = [];
  const report = async (progress: Progress): Promise<void> => void reports.push(progress);
  const pusher = {
    open: async () => ({ epoch: 1, hostChanges: 0 }),
    close: async () => undefined,
    report,
    fail: async (reason: string) => void failures.push(reason),
    listing: async () => ({ namespaces: [] }),
    structure: async () => ({ changes: [] }),
    waiting: null,
    bytesSent: 0,
    ...calls,
  } as unknown as Pusher;
  const work = { kind: 'migration', id: 'm' } as unknown as MigrationWork;
  const running =
    kind === 'run'
      ? runMigration(
          {
            work,
            sourceUri,
            journalPath,
            pusher,
            log,
            cutoverAttempt: () => 0,
            throttle: () => null,
            verification: () => ({ verify: 0, repair: 0 }),
            onWork: () => silent,
            ...how,
          },
          stop.signal,
        )
      : trackWhilePaused(
          { migrationId: 'm', namespaces: null, sourceUri, journalPath, log, report, ...how },
          stop.signal,
        );
  const ended = running.catch((error: unknown) => {
    if (!stop.signal.aborted) failures.push(String(error));
  });
  return {
    reports,
    failures,
    ended,
    async [Symbol.asyncDispose]() {
      stop.abort(new Error('the test is over'));
      await ended;
    },
  };
}
