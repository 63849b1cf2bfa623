import { eventually } from '@linkspan/testkit/eventually.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { openJournal } from '../src/journal/journal.ts';
import { tellInterrupted } from '../src/migration/tellInterrupted.ts';
import { journalDirectory, tell } from './support/told.ts';

/** Nothing listens on port 1. */
const NOWHERE = 'mongodb://reader:hidden@127.0.0.1:1/?serverSelectionTimeoutMS=50';
const HOUR = 3600;

/** The journal of a migration that was tailing, an hour ago. */
function tailing(path: string): void {
  using journal = openJournal(path, 'm');
  const time = BigInt(Math.floor(Date.now() / 1000) - HOUR) << 32n;
  journal.begin({
    sourceIdentity: 'replicaSet:rs:',
    resumeToken: Buffer.from([5, 0, 0, 0, 0]),
    position: { time, through: true },
  });
  journal.saveListedAt(time);
  const { id } = journal.incarnations.add({
    source: { db: 'app', coll: 'a' },
    type: 'collection',
    uuid: null,
    knownSince: time,
    state: 'COPIED',
  });
  journal.incarnations.addCopied(id, 12, 345);
  journal.incarnations.update(id, { toReconcile: false });
}

describe.each(['run', 'paused'] as const)('a source that does not answer: %s', (kind) => {
  it('is told of from the first moment, by host and without credentials', async () => {
    using directory = journalDirectory();
    await using told = tell(kind, NOWHERE, directory.path);
    await eventually(() => expect(told.reports).not.toEqual([]));
    expect(told.reports[0]).toMatchObject({
      phase: 'STARTING',
      lagSeconds: null,
      readyForCutover: false,
      waitingFor: 'connecting to the source: 127.0.0.1:1 has not answered yet',
      holdingBack: 'WAITING',
    });
    const isRefused = (): boolean =>
      told.reports.some(({ waitingFor }) => waitingFor?.includes('ECONNREFUSED') === true);
    await eventually(() => expect(isRefused()).toBe(true));
    expect(JSON.stringify(told.reports)).not.toMatch(/hidden|reader/);
    expect(told.failures).toEqual([]);
  });

  it('I8: does not make what the journal knows look better', async () => {
    using directory = journalDirectory();
    tailing(directory.path);
    await using told = tell(kind, NOWHERE, directory.path);
    await eventually(() => expect(told.reports.length).toBeGreaterThan(1));
    const [first, second] = told.reports;
    expect(first).toMatchObject({
      phase: 'TAILING',
      documentsCopied: 12,
      bytesCopied: 345,
      readyForCutover: false,
      rates: null,
      etaSeconds: null,
    });
    expect(first?.lagSeconds).toBeGreaterThanOrEqual(HOUR);
    expect(second?.lagSeconds).toBeGreaterThan(first?.lagSeconds ?? Infinity);
  });

  it('I8: says first what interrupted the run before, for as long as that counts', async () => {
    using directory = journalDirectory();
    let interrupted: string | null = 'refused';
    await using told = tell(kind, NOWHERE, directory.path, { interrupted: () => interrupted });
    await eventually(() => expect(told.reports).not.toEqual([]));
    expect(told.reports[0]?.waitingFor).toMatch(/^refused; connecting to the source: /);
    interrupted = null;
    await eventually(() => {
      expect(told.reports.at(-1)?.waitingFor).toMatch(/^connecting to the source: /);
    });
  });
});

it.each([
  { journal: 'can be read', of: 'm', documentsCopied: 12 },
  { journal: 'is of another migration', of: 'other', documentsCopied: 0 },
])(
  'I8: why a run broke off before its first report is told all the same: its journal $journal',
  async ({ of, documentsCopied }) => {
    using directory = journalDirectory();
    tailing(directory.path);
    const reports: Progress[] = [];
    await tellInterrupted('no such deployment', {
      migrationId: of,
      journalPath: directory.path,
      log: pino({ level: 'silent' }),
      report: async (progress) => void reports.push(progress),
    });
    expect(reports).toMatchObject([
      {
        waitingFor: 'no such deployment',
        holdingBack: 'WAITING',
        readyForCutover: false,
        documentsCopied,
      },
    ]);
  },
);
