import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BSON } from 'mongodb';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import { DEFAULT_OPTIONS } from '../../src/migration/context.ts';
import { KeyRefusals } from '../../src/migration/keyRefusals.ts';
import { Lives } from '../../src/migration/lives.ts';
import { Notifier } from '../../src/migration/notifier.ts';

const HOUR_MS = DEFAULT_OPTIONS.refusedMs;
const REFUSED = 'app.a refuses the document with _id 1: no';

let folder: string;
let journal: Journal;
let refusals: KeyRefusals;
let now: number;
let id: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-refusals-'));
  journal = openJournal(join(folder, 'journal.db'), '0123456789abcdef01234567');
  const position = { time: 1n, through: false };
  journal.begin({ sourceIdentity: 'x', resumeToken: keyOf('token'), position });
  const source = { db: 'app', coll: 'a' };
  const life = { source, type: 'collection', uuid: null, state: 'COPIED' } as const;
  id = journal.incarnations.add({ ...life, knownSince: 1n }).id;
  journal.incarnations.update(id, { destination: source, toReconcile: false });
  journal.dirty.mark({
    incarnation: id,
    collated: false,
    documentKey: keyOf(1),
    operation: 'write',
    time: 2n,
  });
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const shared = { journal, lives: new Lives(journal), log, work: new Notifier() };
  now = 1000;
  refusals = new KeyRefusals({ ...shared, options: DEFAULT_OPTIONS }, () => now);
});

afterEach(() => {
  journal[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const keyOf = (of: unknown): Buffer => Buffer.from(BSON.serialize({ _id: of }));

/** @returns whether its collection was to be reconciled for it, which is done at once */
function refuse(): boolean {
  const incarnation = journal.incarnations.get(id);
  const key = [0, 1, 2, 3].flatMap((lane) => journal.dirty.take(lane, id, 1))[0];
  if (incarnation === undefined || key === undefined) throw new Error('it is marked');
  refusals.note(incarnation, key, 'no', null);
  const isAsked = journal.incarnations.get(id)?.toReconcile === true;
  journal.incarnations.update(id, { toReconcile: false });
  return isAsked;
}

/** Refused every two seconds for so long. */
function refuseFor(milliseconds: number): void {
  for (const end = now + milliseconds; now < end; now += 2000) refuse();
}

it('D16: an hour of refusals ends the migration, and not the one that asks for a reconciliation', () => {
  refuseFor(HOUR_MS);
  now += 40_000;
  expect(refuse(), 'it may pass with the structure that is asked for').toBe(true);
  now += 500;
  expect(() => refuse()).toThrow(REFUSED);
});

it.each([
  { seconds: 35, meanwhile: 'nothing else is pushed' },
  { seconds: 65, meanwhile: 'others are' },
])(
  'D16: refused every $seconds seconds while $meanwhile, a document ends the migration in the end',
  ({ seconds }) => {
    const others = (): void => refusals.accepted(id + 1, []);
    expect(() => {
      for (const end = now + 2 * HOUR_MS; now < end; now += (seconds * 1000) / 2) {
        refuse();
        now += (seconds * 1000) / 2;
        if (seconds > 60) others();
      }
    }).toThrow(REFUSED);
    expect(now).toBeGreaterThan(HOUR_MS);
  },
);

it('D16: time in which nothing was pushed does not count for a refusal', () => {
  refuseFor(60_000);
  expect(refusals.warnings()).toEqual([REFUSED]);
  now += HOUR_MS;
  expect(refuse(), 'it may have changed meanwhile').toBe(true);
  refuseFor(HOUR_MS - 2000);
  expect(refusals.warnings()).toEqual([REFUSED]);
  now += 2000;
  expect(() => {
    refuse();
    now += 500;
    refuse();
  }).toThrow(REFUSED);
});
