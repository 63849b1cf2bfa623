import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournal } from '../src/journal/journal.ts';
import { WriteBlockRecords } from '../src/journal/writeBlockRecords.ts';
import { CutoverFailedError } from '../src/migration/context.ts';
import { WriteBlock } from '../src/migration/writeBlock.ts';
import { blockable } from './support/blockable.ts';
import { journalDirectory, tell } from './support/told.ts';

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const OF = { migrationId: 'a'.repeat(24), projectId: 'b'.repeat(24), clusterName: 'home' };

let source: MongoDB;
let directory: string;

beforeAll(async () => {
  source = await startMongoDB({ name: 'source' });
  directory = mkdtempSync(join(tmpdir(), 'linkspan-write-block-'));
});
afterAll(async () => {
  rmSync(directory, { recursive: true });
  await source.stop();
});

/** The server is away from then on. */
const never = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

describe('the write block of a cutover that has failed', () => {
  it('D23: is lifted while the server is away, and also after the source has refused that', async ({
    skip,
  }) => {
    if (!source.capabilities.control) skip('needs a source that this test started');
    await using blocked = await blockable(source);
    const records = new WriteBlockRecords(directory);
    const options = { records, of: OF, uri: blocked.uri, isAllowed: true, log: SILENT };
    const told = Promise.withResolvers<string>();
    const beforeCutoverStep = async (step: string): Promise<void> => {
      if (step !== 'DRAIN') return;
      expect(blocked.isBlocked).toBe(true);
      blocked.refusals = 3;
      throw new CutoverFailedError('it cannot be drained');
    };
    using journal = journalDirectory();
    await using running = tell(
      'run',
      source.uri,
      journal.path,
      {
        writeBlock: new WriteBlock(options),
        cutoverAttempt: () => 1,
        hooks: { beforeCutoverStep },
        options: { liftAgainMs: 1 },
      },
      {
        cutoverFailed: ({ reason }, signal) => {
          told.resolve(reason);
          return never(signal);
        },
      },
    );
    expect(await told.promise).toContain('the migration host goes on trying to lift that');
    await expect.poll(() => records.list(), { timeout: 10_000 }).toEqual([]);
    expect(blocked.isBlocked).toBe(false);
    expect(running.failures).toEqual([]);
  });

  it('D23: is not kept by a run that has ended and waits for the server to hear of it', async () => {
    using journal = journalDirectory();
    const position = { time: 1n << 32n, through: true };
    const resumeToken = Buffer.from([5, 0, 0, 0, 0]);
    const begun = openJournal(journal.path, 'm');
    begun.begin({ sourceIdentity: 'replicaSet:other:', resumeToken, position });
    begun[Symbol.dispose]();
    const letGo = Promise.withResolvers<void>();
    const fail = (_reason: string, signal: AbortSignal): Promise<never> => never(signal);
    const how = { letGo: letGo.resolve };
    await using running = tell('run', source.uri, journal.path, how, { fail });
    await letGo.promise;
    expect(running.failures).toEqual([]);
  });
});
