import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import { mountSmallDisk, NO_SMALL_DISK } from '@linkspan/testkit/smallDisk.ts';
import { serialize, type Document } from 'bson';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { JournalUnusableError, journalFault } from '../src/journal/errors.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { waitForJournal } from '../src/migration/journalRoom.ts';

const ID = '0123456789abcdef01234567';
const TIME = 5n << 32n;

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-journal-'));
  path = join(folder, 'journal.sqlite');
});

afterEach(() => rmSync(folder, { recursive: true }));

const token = (text: string): Buffer => Buffer.from(serialize({ _data: text } as Document));

function begun(): Journal {
  const journal = openJournal(path, ID);
  const position = { time: TIME, through: false };
  journal.begin({ sourceIdentity: 'replicaSet:rs:', resumeToken: token('a'), position });
  return journal;
}

/** Marks keys and moves the token on, as the tracker does, until something fails. */
function mark(journal: Journal, count: number): void {
  const incarnation = journal.incarnations.add({
    source: { db: 'app', coll: 'rows' },
    type: 'collection',
    uuid: null,
    knownSince: TIME,
    state: 'PENDING',
  });
  journal.transaction(() => {
    for (let _id = 0; _id < count; _id += 1) {
      journal.dirty.mark({
        incarnation: incarnation.id,
        collated: false,
        documentKey: Buffer.from(serialize({ _id })),
        operation: 'write',
        time: TIME,
      });
    }
    journal.saveToken(token('b'), { time: TIME + 1n, through: true });
  });
}

const thrownBy = (act: () => void): unknown => {
  try {
    act();
  } catch (error) {
    return journalFault(error, path);
  }
  return null;
};

const signal = new AbortController().signal;
const log = pino({ level: 'silent' });

it('D1, I4: a full disk keeps nothing of the transaction, neither its keys nor its token', async ({
  skip,
}) => {
  const disk = await mountSmallDisk(4);
  if (disk === null) return skip(NO_SMALL_DISK);
  await using _disk = disk;
  path = join(disk.directory, 'journal.sqlite');
  using journal = begun();
  await disk.fill();
  const fault = thrownBy(() => mark(journal, 20_000));
  expect(fault).toBeInstanceOf(JournalUnusableError);
  expect(String(fault)).toContain(`the disk of the journal ${path} is full`);
  expect(journal.dirty.count()).toBe(0);
  expect(journal.state()?.resumeToken).toEqual(token('a'));
  expect(thrownBy(() => journal.tryToWrite())).toBeInstanceOf(JournalUnusableError);
  await disk.free();
  journal.tryToWrite();
  journal.transaction(() => journal.saveToken(token('c'), { time: TIME + 2n, through: true }));
  expect(journal.state()?.resumeToken).toEqual(token('c'));
});

it('a file that is no journal says so, and what to do', () => {
  writeFileSync(path, 'this is no database at all, and long enough to be taken for one'.repeat(50));
  const fault = thrownBy(() => openJournal(path, ID));
  expect(String(fault)).toContain(`the journal ${path} is damaged: restore it, or stop the agent`);
});

it('a journal that was cut short says so', () => {
  begun()[Symbol.dispose]();
  {
    using journal = openJournal(path, ID);
    mark(journal, 2000);
  }
  truncateSync(path, 3 * 4096);
  expect(
    thrownBy(() => {
      using journal = openJournal(path, ID);
      journal.dirty.count();
      journal.tryToWrite();
    }),
  ).toBeInstanceOf(JournalUnusableError);
});

it('what is waited for is told until the journal can be written again', async () => {
  const holder = begun();
  holder[Symbol.dispose]();
  const other = new DatabaseSync(path);
  other.exec('BEGIN EXCLUSIVE');
  const told: Progress[] = [];
  const report = async (progress: Progress): Promise<void> => {
    told.push(progress);
    if (told.length === 2) other.close();
  };
  const busy = Object.assign(new Error('database is locked'), {
    code: 'ERR_SQLITE_ERROR',
    errcode: 5,
  });
  const room = { migrationId: ID, journalPath: path, log, report };
  await expect(waitForJournal(busy, room, signal)).rejects.toThrow(JournalUnusableError);
  expect(told.length).toBeGreaterThanOrEqual(2);
  expect(told[0]).toMatchObject({ readyForCutover: false, holdingBack: 'WAITING' });
  expect(told[0]?.waitingFor).toContain('is held by another process');
});

it('any other error is none of the journal', async () => {
  const error = new Error('something else');
  const report = async (): Promise<void> => expect.unreachable();
  const room = { migrationId: ID, journalPath: path, log, report };
  await expect(waitForJournal(error, room, signal)).rejects.toBe(error);
});
