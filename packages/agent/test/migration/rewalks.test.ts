import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { BSON } from 'mongodb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import { DEFAULT_OPTIONS } from '../../src/migration/context.ts';
import { Notifier } from '../../src/migration/notifier.ts';
import { Rewalks } from '../../src/migration/rewalks.ts';

const LIMIT = 10;

let folder: string;
let journal: Journal;
let rewalks: Rewalks;
let now: number;
let id: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-rewalks-'));
  journal = openJournal(join(folder, 'journal.db'), '0123456789abcdef01234567');
  const position = { time: 10n << 32n, through: false };
  journal.begin({ sourceIdentity: 'x', resumeToken: keyOf('token'), position });
  const source = { db: 'shop', coll: 'orders' };
  const life = { source, type: 'collection', uuid: null, state: 'COPIED' } as const;
  id = journal.incarnations.add({ ...life, knownSince: 10n << 32n }).id;
  journal.incarnations.update(id, { destination: source, toReconcile: false });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const options = { ...DEFAULT_OPTIONS, pushedKeysAtMost: LIMIT, countKeysMs: 1 };
  now = 1000;
  rewalks = new Rewalks({ journal, options, log, work: new Notifier() }, () => now);
});

afterEach(() => {
  journal[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const keyOf = (of: unknown): Buffer => Buffer.from(BSON.serialize({ _id: of }));

function push(from: number, to: number): void {
  const keys = Array.from({ length: to - from }, (_, index) => keyOf(from + index)).map(
    (documentKey) => ({ documentKey, comparable: comparableKey(documentKey) }),
  );
  journal.keysToVerify.pushed(id, keys);
}

/** From the first document to the last, in so many milliseconds. */
function walk(tookMs: number, documents: number): void {
  const { walk: number, position } = journal.verifications.begin(id);
  expect(position).toBeNull();
  rewalks.begun(id);
  now += tookMs;
  journal.verifications.advance(id, number, keyOf('last'), documents);
  journal.verifications.finish(id, number);
  rewalks.ended(id);
}

function limit(isHurried = false): boolean {
  now += 1;
  rewalks.limit(isHurried);
  return journal.verifications.next(10, false).includes(id);
}

it('I6: walks a collection again once more of its keys were pushed than are worth comparing by key', () => {
  walk(100, 20);
  push(0, LIMIT);
  now += 10_000;
  expect(limit(), 'not more than the limit').toBe(false);
  push(LIMIT, LIMIT + 1);
  expect(limit()).toBe(true);
  expect(journal.keysToVerify.count()).toBe(0);
});

it('does not walk a large collection again for keys that are a small part of it', () => {
  walk(100, 1000);
  push(0, 250);
  now += 10_000;
  expect(limit()).toBe(false);
  expect(journal.keysToVerify.count()).toBe(250);
  push(250, 251);
  expect(limit()).toBe(true);
});

it('I6: rests between two walks of what never stands still, and notes no keys meanwhile', () => {
  walk(100, 20);
  push(0, 20);
  expect(limit(), 'the walk has just ended').toBe(false);
  expect(journal.verifications.isComplete(false)).toBe(false);
  push(0, 1000);
  expect(journal.keysToVerify.count()).toBe(0);
  now += 490;
  expect(limit()).toBe(false);
  now += 10;
  expect(limit()).toBe(true);
  walk(100, 20);
  expect(journal.verifications.isComplete(false)).toBe(true);
  push(0, 5);
  expect(journal.keysToVerify.count()).toBe(5);
});

it('lets a cutover walk at once', () => {
  walk(100, 20);
  push(0, 20);
  expect(limit()).toBe(false);
  rewalks.wakeAll();
  expect(journal.verifications.next(10, false)).toEqual([id]);
  walk(100, 20);
  push(0, 20);
  expect(limit(true)).toBe(true);
});

it('D1: ends a repair before it walks again, although its keys are pushed without end', () => {
  journal.incarnations.update(id, { toRepair: true });
  walk(100, 20);
  journal.keysToVerify.suspect(id, [keyOf('missed'), keyOf('hot')]);
  push(0, 20);
  now += 10_000;
  expect(limit(), 'two are not decided').toBe(false);
  expect(journal.verifications.repaired()).toEqual([]);
  // Pushed as a whole: whatever was missed of it is made good, and it is compared as any other change.
  const missed = { documentKey: keyOf('missed'), comparable: comparableKey(keyOf('missed')) };
  const hot = { documentKey: keyOf('hot'), comparable: comparableKey(keyOf('hot')) };
  journal.keysToVerify.pushed(id, [missed, hot]);
  expect(journal.verifications.repaired()).toMatchObject([{ id }]);
  expect(journal.keysToVerify.count()).toBe(22);
  journal.incarnations.update(id, { toRepair: false });
  expect(limit()).toBe(true);
});
