import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Double, type Document, serialize } from 'bson';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { JournalError } from '../src/journal/errors.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';

const ID = '0123456789abcdef01234567';
const key = (id: unknown): Buffer => Buffer.from(serialize({ _id: id } as Document));
const at = (seconds: number): bigint => BigInt(seconds) << 32n;

let folder: string;
let path: string;
let journal: Journal;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'linkspan-journal-'));
  path = join(folder, 'journal.db');
  journal = openJournal(path, ID);
});

afterEach(() => {
  journal[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function reopen(): void {
  journal[Symbol.dispose]();
  journal = openJournal(path, ID);
}

function begin(): number {
  journal.begin({
    sourceIdentity: 'replicaSet:rs0:',
    resumeToken: key('token'),
    position: { time: at(10), through: false },
  });
  return journal.incarnations.add({
    source: { db: 'shop', coll: 'orders' },
    type: 'collection',
    uuid: null,
    knownSince: at(10),
    state: 'COPIED',
  }).id;
}

function mark(
  incarnation: number,
  id: unknown,
  operation: 'write' | 'delete' = 'write',
  seconds = 20,
): void {
  journal.dirty.mark({
    incarnation,
    collated: false,
    documentKey: key(id),
    operation,
    time: at(seconds),
  });
}

function allKeys(incarnation: number) {
  return [0, 1, 2, 3].flatMap((lane) => journal.dirty.take(lane, incarnation, 1000));
}

describe('journal', () => {
  it('is empty before it begins, and keeps its state when it is opened again', () => {
    expect(journal.state()).toBeNull();
    begin();
    journal.saveToken(key('later'), { time: at(30), through: true });
    journal.saveListedAt(at(11));
    journal.saveStage('unique');
    journal.saveToList(true);
    journal.addFlushed(7);
    reopen();
    expect(journal.state()).toEqual({
      sourceIdentity: 'replicaSet:rs0:',
      resumeToken: key('later'),
      position: { time: at(30), through: true },
      trackingSince: at(10),
      listedAt: at(11),
      stage: 'unique',
      documentsFlushed: 7,
      finishedCutover: 0,
      historyLosses: 0,
      hostChanges: null,
      isTakingOver: false,
      isToList: true,
    });
  });

  it('belongs to one migration', () => {
    begin();
    expect(() => openJournal(path, 'f'.repeat(24))).toThrow(JournalError);
  });

  it.each([
    [99, /version 99.*newer agent/],
    [1, /version 1,.*older agent.*or remove the file/],
  ])('refuses a file that version %d wrote', (version, message) => {
    const db = new DatabaseSync(path);
    db.exec(`PRAGMA user_version = ${version}`);
    db.close();
    expect(() => openJournal(path, ID)).toThrow(message);
  });

  it('D1: keeps nothing of a transaction that fails', () => {
    const id = begin();
    expect(() =>
      journal.transaction(() => {
        mark(id, 1);
        journal.saveToken(key('later'), { time: at(30), through: true });
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(journal.dirty.count()).toBe(0);
    expect(journal.state()?.resumeToken).toEqual(key('token'));
  });
});

describe('dirty keys', () => {
  it('D12: those of a capped collection share a lane, in the order of their last insertion', () => {
    const id = begin();
    journal.incarnations.update(id, { capped: '4096/0' });
    const inserted = (n: number): void =>
      journal.dirty.mark({
        incarnation: id,
        collated: false,
        documentKey: key(n),
        operation: 'write',
        inserted: true,
        time: at(20),
      });
    for (const n of [3, 1, 2]) inserted(n);
    mark(id, 3);
    mark(id, 1, 'delete');
    inserted(1);
    const taken = journal.dirty.takeInOrder(id, 10);
    expect(taken.map(({ documentKey, recreate }) => [documentKey, recreate])).toEqual([
      [key(3), false],
      [key(2), false],
      [key(1), true],
    ]);
    const lanes = [0, 1, 2, 3].map((lane) => [...journal.dirty.incarnationsIn(lane, 0)]);
    expect(lanes).toEqual([[id], [], [], []]);
    expect([...journal.dirty.incarnationsIn(0, id)], 'in turn').toEqual([id]);
    const covered = journal.dirty.lastSequence();
    mark(id, 2);
    journal.dirty.evictUpTo(id, covered);
    expect(journal.dirty.takeInOrder(id, 10)).toMatchObject([{ documentKey: key(2) }]);
  });

  it('D12, D13: keys that were marked before it was known what the collection is share a lane, too', () => {
    const id = begin();
    for (const n of [5, 6, 7, 8, 9]) mark(id, n);
    journal.incarnations.update(id, { capped: '4096/0' });
    mark(id, 5);
    journal.dirty.shareLane(id);
    const taken = journal.dirty.takeInOrder(id, 10).map(({ documentKey }) => documentKey);
    expect(taken).toEqual([6, 7, 8, 9, 5].map(key));
    expect(journal.dirty.take(0, id, 10)).toHaveLength(5);
  });

  it('D3: keeps one entry a key, with the last operation', () => {
    const id = begin();
    mark(id, 1, 'write');
    mark(id, 1, 'delete');
    mark(id, 2, 'delete');
    mark(id, 2, 'write');
    expect(allKeys(id).map(({ documentKey, operation }) => [documentKey, operation])).toEqual(
      expect.arrayContaining([
        [key(1), 'delete'],
        [key(2), 'write'],
      ]),
    );
    expect(journal.dirty.count()).toBe(2);
  });

  it('D2: takes no key of a collection that has ended', () => {
    const id = begin();
    journal.incarnations.update(id, { state: 'ENDED' });
    mark(id, 1);
    mark(id + 1, 1);
    expect(journal.dirty.count()).toBe(0);
  });

  it('D13: a key leaves only if it was not marked again', () => {
    const id = begin();
    mark(id, 1);
    mark(id, 2);
    const taken = allKeys(id);
    mark(id, 2, 'delete');
    journal.dirty.evict(id, taken, at(25));
    expect(allKeys(id).map(({ documentKey, operation }) => [documentKey, operation])).toEqual([
      [key(2), 'delete'],
    ]);
  });

  it('D8: tells whether a key was marked again, also across a restart', () => {
    const id = begin();
    mark(id, 1);
    const [taken] = allKeys(id);
    if (taken === undefined) throw new Error('nothing was taken');
    expect(journal.dirty.isUnchanged(id, taken)).toBe(true);
    reopen();
    expect(journal.dirty.isUnchanged(id, taken)).toBe(true);
    mark(id, 1);
    expect(journal.dirty.isUnchanged(id, taken)).toBe(false);
  });

  it('D15: notes when the bytes of a key change and its value does not', () => {
    const id = begin();
    mark(id, 1, 'delete');
    mark(id, new Double(1), 'write');
    expect(allKeys(id)).toMatchObject([
      { documentKey: key(new Double(1)), operation: 'write', recreate: true },
    ]);
  });

  it('D13: puts equal keys, and all strings of a collated collection, into one lane', () => {
    const id = begin();
    for (const text of ['a', 'A', 'b', 'ü', 'z', 'zz', 'zzz']) {
      journal.dirty.mark({
        incarnation: id,
        collated: true,
        documentKey: key(text),
        operation: 'write',
        time: at(20),
      });
    }
    expect(journal.dirty.take(0, id, 100)).toHaveLength(7);
  });

  it('hands out keys in the order of their last marks', () => {
    const id = begin();
    for (const text of ['x', 'y', 'x']) {
      journal.dirty.mark({
        incarnation: id,
        collated: true,
        documentKey: key(text),
        operation: 'write',
        time: at(20),
      });
    }
    expect(journal.dirty.take(0, id, 1)).toMatchObject([{ documentKey: key('y') }]);
  });

  it('I8: counts lag from the oldest change that is not at the destination', () => {
    const id = begin();
    expect(journal.dirty.behindSince()).toBeNull();
    mark(id, 'hot', 'write', 20);
    const taken = allKeys(id);
    mark(id, 'hot', 'write', 40);
    expect(journal.dirty.behindSince()).toBe(at(20));
    // What was pushed is as new as its read, although the key was marked again.
    journal.dirty.evict(id, taken, at(30));
    expect(journal.dirty.behindSince()).toBe(at(30));
  });
});

describe('copy ranges', () => {
  it('D9: cuts a collection without a gap, from its first key to its last', () => {
    const id = begin();
    journal.ranges.plan(id, [key(10), key(20)]);
    expect(journal.ranges.of(id)).toMatchObject([
      { number: 0, lower: null, upper: key(10), position: null, done: false },
      { number: 1, lower: key(10), upper: key(20) },
      { number: 2, lower: key(20), upper: null },
    ]);
    journal.ranges.advance(id, 1, key(15));
    journal.ranges.finish(id, 0);
    reopen();
    expect(journal.ranges.of(id)).toMatchObject([
      { done: true },
      { position: key(15), done: false },
      { done: false },
    ]);
  });
});

describe('verification', () => {
  const named = (id: unknown) => ({ comparable: key(id), documentKey: key(id) });

  it('D19: notes what is pushed from the moment that the comparison of its collection begins', () => {
    const id = begin();
    journal.incarnations.update(id, { destination: { db: 'shop', coll: 'orders' } });
    journal.keysToVerify.pushed(id, [named('before')]);
    expect(journal.keysToVerify.count()).toBe(0);
    expect(journal.verifications.next(10, true)).toEqual([id]);
    const { walk } = journal.verifications.begin(id);
    journal.keysToVerify.pushed(id, [named('after')]);
    expect(journal.verifications.advance(id, walk, key('x'), 5)).toBe(true);
    journal.verifications.finish(id, walk);
    expect(journal.verifications.isComplete(true)).toBe(true);
    reopen();
    expect(journal.verifications.of(id)).toMatchObject({ done: true, documents: 5 });
    expect(journal.keysToVerify.take(id, 10)).toMatchObject([{ documentKey: key('after') }]);
    expect(journal.verifications.next(10, true)).toEqual([]);
  });

  it('D19: a key that is dirty, or was pushed since it was taken, is not decided', () => {
    const id = begin();
    journal.verifications.begin(id);
    mark(id, 'a');
    const [dirty] = allKeys(id);
    if (dirty === undefined) throw new Error('it was marked');
    journal.keysToVerify.pushed(id, [dirty]);
    expect(journal.keysToVerify.take(id, 10)).toEqual([]);
    journal.dirty.evict(id, [dirty], at(30));
    const [taken] = journal.keysToVerify.take(id, 10);
    if (taken === undefined) throw new Error('it is not dirty any more');
    expect(journal.keysToVerify.isSettled(id, taken)).toBe(true);
    journal.keysToVerify.pushed(id, [dirty]);
    expect(journal.keysToVerify.isSettled(id, taken)).toBe(false);
  });

  it('a walk that another took the place of does not count', () => {
    const id = begin();
    const { walk } = journal.verifications.begin(id);
    journal.keysToVerify.pushed(id, [named('a')]);
    journal.keysToVerify.suspect(id, [key('b')]);
    journal.verifications.restart(id);
    expect(journal.verifications.advance(id, walk, key('x'), 5)).toBe(false);
    expect(journal.keysToVerify.take(id, 10), 'a suspect stays').toMatchObject([
      { documentKey: key('b') },
    ]);
    journal.verifications.again(null);
    expect(journal.keysToVerify.count()).toBe(0);
    const next = journal.verifications.begin(id);
    expect(next).toMatchObject({ position: null, documents: 0 });
    expect(next.walk).not.toBe(walk);
  });

  it('D17: what differs again and again is left alone until somebody asks for it', () => {
    const id = begin();
    journal.verifications.begin(id);
    journal.keysToVerify.suspect(id, [key('a')]);
    for (const times of [1, 2, 3]) {
      const [taken] = journal.keysToVerify.take(id, 10);
      if (taken === undefined) throw new Error('it is tried three times');
      journal.keysToVerify.setDiffered(id, taken, times);
    }
    expect(journal.keysToVerify.take(id, 10)).toEqual([]);
    expect(journal.keysToVerify.stuck(10)).toMatchObject([{ documentKey: key('a') }]);
    const { walk } = journal.verifications.of(id) ?? { walk: 0 };
    journal.verifications.finish(id, walk);
    journal.incarnations.update(id, { toRepair: true });
    journal.keysToVerify.suspect(id, [key('a')]);
    expect(journal.verifications.repaired(), 'it is decided').toMatchObject([{ id }]);
    expect(journal.verifications.isComplete(true)).toBe(false);
    journal.keysToVerify.retryStuck();
    expect(journal.keysToVerify.take(id, 10)).toMatchObject([{ differed: 1 }]);
  });
});

describe('structural changes', () => {
  it('D2: takes an event once, by its resume token, and keeps the order', () => {
    const id = begin();
    const to = { db: 'shop', coll: 'old' };
    journal.structural.add({ incarnation: id, kind: 'rename', to }, key('e1'));
    journal.structural.add({ incarnation: id, kind: 'rename', to }, key('e1'));
    journal.structural.add({ incarnation: id, kind: 'drop' }, null);
    expect(journal.structural.count()).toBe(2);
    const first = journal.structural.first();
    expect(first).toMatchObject({ kind: 'rename', incarnation: id, to });
    expect(journal.structural.concerns(id)).toBe(true);
    journal.structural.remove(first?.sequence ?? 0);
    expect(journal.structural.first()).toMatchObject({ kind: 'drop' });
  });
});

describe('what there is to do', () => {
  const add = (coll: string, state: 'PENDING' | 'COPIED' = 'PENDING'): number => {
    const namespace = { db: 'shop', coll };
    const of = { source: namespace, type: 'collection', uuid: null, knownSince: at(10) } as const;
    const { id } = journal.incarnations.add({ ...of, state });
    journal.incarnations.update(id, { destination: namespace });
    return id;
  };

  it('copies what was begun first, then the largest, and nothing that a drop waits for', () => {
    const [small, large, begun, dropped] = [add('small'), add('large'), add('begun'), add('gone')];
    journal.incarnations.update(large, { bytesTotal: 1000 });
    journal.incarnations.update(begun, { state: 'COPYING' });
    journal.incarnations.update(dropped, { bytesTotal: 5000 });
    journal.structural.add({ incarnation: dropped, kind: 'drop' }, null);
    const busy: number[] = [];
    for (;;) {
      const next = journal.pending.toCopy(busy);
      if (next === undefined) break;
      busy.push(next.id);
    }
    expect(busy).toEqual([begun, large, small]);
  });

  it('I6: reconciles the oldest first, so many at a time, and passes over those put off', () => {
    const ids = ['a', 'b', 'c', 'd'].map((coll) => add(coll, 'COPIED'));
    const found = journal.pending.toReconcile([ids[0] ?? 0], 2);
    expect(found.map(({ id }) => id)).toEqual(ids.slice(1, 3));
    for (const id of ids) journal.incarnations.update(id, { toReconcile: false });
    expect(journal.pending.hasToReconcile()).toBe(false);
    journal.incarnations.reconcileAll({ repair: true });
    expect(journal.pending.hasToReconcile()).toBe(true);
    expect(journal.pending.countToRepair()).toBe(4);
  });

  it('shows all live ones, also when the journal changes between them', () => {
    const ids = Array.from({ length: 1200 }, (_, number) => add(`c${number}`));
    const seen: number[] = [];
    for (const { id } of journal.incarnations.live()) {
      seen.push(id);
      journal.incarnations.update(id, { state: 'ENDED' });
    }
    expect(seen).toEqual(ids);
    expect([...journal.incarnations.live()]).toEqual([]);
  });

  it('I8: sums what was copied, and does not say what is left before the source has', () => {
    const [a, b] = [add('a'), add('b')];
    journal.incarnations.update(a, { bytesTotal: 100, documentsTotal: 10, measured: true });
    journal.incarnations.addCopied(b, 5, 50);
    expect(journal.totals()).toMatchObject({
      collections: 2,
      collectionsCopied: 0,
      documentsCopied: 5,
      documentsTotal: 15,
      bytesTotal: 150,
      bytesLeft: null,
    });
    journal.incarnations.update(b, { bytesTotal: 70, measured: true });
    expect(journal.totals().bytesLeft).toBe(120);
    expect(journal.totals().mostLeft.map(({ id }) => id)).toEqual([a, b]);
    expect(journal.totals(), 'nothing is counted again while nothing changes').toBe(
      journal.totals(),
    );
    journal.startAnew();
    expect(journal.totals(), 'of work that is forgotten').toMatchObject({
      collections: 0,
      documentsCopied: 0,
    });
  });
});
