import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BSON } from 'mongodb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import { noteCompared } from '../../src/migration/noteCompared.ts';
import { Notifier } from '../../src/migration/notifier.ts';

const keyOf = (of: unknown): Buffer => Buffer.from(BSON.serialize({ _id: of }));
const suspects = Array.from({ length: 12_000 }, (_, n) => keyOf(n));
const compared = { position: keyOf('last'), documents: 7, suspects };

let folder: string;
let journal: Journal;
let id: number;
let walk: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-compared-'));
  journal = openJournal(join(folder, 'journal.db'), '0123456789abcdef01234567');
  const source = { db: 'shop', coll: 'orders' };
  const life = { source, type: 'collection', uuid: null, state: 'COPIED' } as const;
  id = journal.incarnations.add({ ...life, knownSince: 1n }).id;
  ({ walk } = journal.verifications.begin(id));
});

afterEach(() => {
  journal[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

it('I6: notes very many keys a part at a time, and the place of the walk with the last of them', async () => {
  const noting = noteCompared({ journal, work: new Notifier() }, { id, walk }, compared, true);
  expect(journal.keysToVerify.count()).toBeGreaterThan(0);
  expect(journal.keysToVerify.count()).toBeLessThan(6000);
  expect(journal.verifications.of(id)).toMatchObject({ position: null, documents: 0, done: false });
  expect(await noting).toBe(true);
  expect(journal.keysToVerify.count()).toBe(12_000);
  const { position } = compared;
  expect(journal.verifications.of(id)).toMatchObject({ position, documents: 7, done: true });
});

it('D19: a walk that does not count any more between two parts gets no further', async () => {
  const noting = noteCompared({ journal, work: new Notifier() }, { id, walk }, compared, true);
  journal.verifications.restart(id);
  expect(await noting).toBe(false);
  expect(journal.keysToVerify.count()).toBeLessThan(6000);
  expect(journal.verifications.of(id)).toMatchObject({ position: null, documents: 0, done: false });
});
