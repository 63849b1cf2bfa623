import { type Document, serialize } from 'bson';
import { beforeEach, describe, expect, it } from 'vitest';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { applyEvent } from '../src/migration/applyEvent.ts';
import type { ChangeEvent } from '../src/source/events.ts';

const at = (seconds: number): bigint => BigInt(seconds) << 32n;
const key = (id: unknown): Buffer => Buffer.from(serialize({ _id: id } as Document));
const A = { db: 'd', coll: 'a' };
const B = { db: 'd', coll: 'b' };
const OLD = '11'.repeat(16);
const NEW = '22'.repeat(16);
const LISTED = at(100);

let journal: Journal;
let tokens = 0;

beforeEach(() => {
  journal = openJournal(':memory:', '0'.repeat(24));
  journal.begin({
    sourceIdentity: '',
    resumeToken: key('t'),
    position: { time: at(90), through: true },
  });
});

function event(type: string, fields: Partial<ChangeEvent> = {}): ChangeEvent {
  tokens += 1;
  return {
    type,
    token: key(tokens),
    time: at(110),
    namespace: A,
    to: null,
    documentKey: null,
    uuid: null,
    createdType: 'collection',
    createdCap: null,
    ...fields,
  };
}

function listed(source = A, uuid: string | null = null): number {
  return journal.incarnations.add({
    source,
    type: 'collection',
    uuid,
    knownSince: LISTED,
    state: 'PENDING',
  }).id;
}

const apply = (one: ChangeEvent) => applyEvent(journal, one, LISTED);
const operations = (id: number) =>
  [0, 1, 2, 3].flatMap((lane) => journal.dirty.take(lane, id, 10).map((k) => k.operation));

describe('changes of documents', () => {
  it('mark their key', () => {
    const id = listed();
    apply(event('update', { documentKey: key(1) }));
    apply(event('delete', { documentKey: key(2) }));
    expect(operations(id).toSorted()).toEqual(['delete', 'write']);
  });

  it('D2: a delete in an older life of the name is read back, not carried out', () => {
    const id = listed(A, NEW);
    apply(event('delete', { documentKey: key(1), uuid: OLD }));
    expect(operations(id)).toEqual(['write']);
  });

  it('D5: make a collection known that no event created, complete if it is newer than the listing', () => {
    apply(event('insert', { documentKey: key(1) }));
    expect(journal.incarnations.byName(A)).toMatchObject({ state: 'COPIED', toReconcile: true });
    apply(event('insert', { documentKey: key(1), namespace: B, time: at(95) }));
    expect(journal.incarnations.byName(B)).toMatchObject({ state: 'PENDING' });
  });

  it('C12: pass over reserved databases and system collections', () => {
    for (const namespace of [
      { db: 'config', coll: 'x' },
      { db: 'd', coll: 'system.views' },
    ]) {
      apply(event('insert', { documentKey: key(1), namespace }));
    }
    expect([...journal.incarnations.live()]).toEqual([]);
  });
});

describe('drop', () => {
  it('ends the collection with its keys, and queues the drop', () => {
    const id = listed();
    apply(event('insert', { documentKey: key(1) }));
    expect(apply(event('drop')).renamed).toEqual([id]);
    expect(journal.incarnations.byName(A)).toBeUndefined();
    expect(journal.dirty.count()).toBe(0);
    expect(journal.structural.first()).toMatchObject({ kind: 'drop', incarnation: id });
  });

  it('D2: does nothing to a collection that a later listing found', () => {
    listed(A, NEW);
    apply(event('drop', { uuid: OLD }));
    expect(journal.incarnations.byName(A)).toBeDefined();
    journal.incarnations.update(journal.incarnations.byName(A)?.id ?? 0, { uuid: null });
    apply(event('drop', { time: at(95) }));
    expect(journal.incarnations.byName(A)).toBeDefined();
  });

  it('is followed by a new life of the name', () => {
    const id = listed(A, OLD);
    apply(event('drop', { uuid: OLD }));
    apply(event('create', { uuid: NEW, time: at(111) }));
    const now = journal.incarnations.byName(A);
    expect(now).toMatchObject({ uuid: NEW, state: 'COPIED' });
    expect(now?.id).not.toBe(id);
  });
});

describe('create', () => {
  it('D2: does nothing for a collection that the listing shows already', () => {
    const id = listed(A, NEW);
    apply(event('create', { uuid: NEW }));
    apply(event('create', { uuid: OLD, time: at(99) }));
    expect(journal.incarnations.byName(A)?.id).toBe(id);
  });
});

describe('rename', () => {
  it('re-points the name and queues the rename', () => {
    const id = listed(A, OLD);
    apply(event('rename', { uuid: OLD, to: B }));
    expect(journal.incarnations.byName(B)?.id).toBe(id);
    expect(journal.incarnations.byName(A)).toBeUndefined();
    expect(journal.structural.first()).toMatchObject({ kind: 'rename', to: B });
  });

  it('D18: ends what had the new name', () => {
    const a = listed(A, OLD);
    const b = listed(B, NEW);
    apply(event('insert', { namespace: B, documentKey: key(1), uuid: NEW }));
    expect(apply(event('rename', { uuid: OLD, to: B })).renamed).toEqual([b, a]);
    expect(journal.incarnations.get(b)?.state).toBe('ENDED');
    expect(journal.structural.first()).toMatchObject({ kind: 'drop', incarnation: b });
    expect(journal.dirty.countOf(b)).toBe(0);
  });

  it('D18: out of what is migrated is a drop, into it is a copy', () => {
    const id = listed(A, OLD);
    apply(event('rename', { uuid: OLD, to: { db: 'd', coll: 'system.x' } }));
    expect(journal.structural.first()).toMatchObject({ kind: 'drop', incarnation: id });
    apply(event('rename', { namespace: { db: 'd', coll: 'system.x' }, to: B, uuid: NEW }));
    expect(journal.incarnations.byName(B)).toMatchObject({ state: 'PENDING' });
  });

  it('D18: what came in is dropped and renamed, also where it has another UUID since', () => {
    const out = { db: 'd', coll: 'system.x' };
    const comeIn = (): number => {
      apply(event('rename', { namespace: out, to: B, uuid: OLD }));
      return journal.incarnations.byName(B)?.id ?? 0;
    };
    const dropped = comeIn();
    apply(event('drop', { namespace: B, uuid: NEW, time: at(111) }));
    expect(journal.incarnations.get(dropped)?.state).toBe('ENDED');
    const renamed = comeIn();
    apply(event('rename', { namespace: B, to: A, uuid: NEW, time: at(112) }));
    expect(journal.incarnations.byName(A)?.id).toBe(renamed);
  });

  it('D2: does nothing where the listing shows the new name, and forgets the old one', () => {
    const b = listed(B, OLD);
    apply(event('insert', { namespace: A, documentKey: key(1), time: at(95) }));
    const phantom = journal.incarnations.byName(A);
    apply(event('rename', { uuid: OLD, to: B, time: at(96) }));
    expect(journal.incarnations.byName(B)?.id).toBe(b);
    expect(journal.incarnations.get(phantom?.id ?? 0)?.state).toBe('ENDED');
  });
});

describe('other events', () => {
  it('D4: are ignored if listed as meaningless, else make a new listing', () => {
    listed();
    expect(apply(event('endOfTransaction')).relist).toBe(false);
    expect(apply(event('somethingNew')).relist).toBe(true);
    const selection = new Selection({ include: ['d.a'], exclude: [], rename: [] });
    const relists = (fields: Partial<ChangeEvent>): boolean =>
      applyEvent(journal, event('somethingNew', fields), LISTED, selection).relist;
    expect(relists({ namespace: { db: 'd', coll: '' } }), 'of the database').toBe(true);
    expect(relists({ namespace: { db: '', coll: '' } }), 'of everything').toBe(true);
    expect(relists({ namespace: B, to: A })).toBe(true);
    expect(relists({ namespace: B })).toBe(false);
    expect(relists({ namespace: { db: 'e', coll: '' } })).toBe(false);
  });

  it('D16: what a dropped database leaves is looked for, without a new listing', () => {
    const id = listed();
    const other = listed({ db: 'e', coll: 'a' });
    for (const one of [id, other]) journal.incarnations.update(one, { toReconcile: false });
    expect(apply(event('dropDatabase', { namespace: { db: 'd', coll: '' } }))).toMatchObject({
      restructured: [id],
      relist: false,
    });
    expect(journal.incarnations.get(id)?.toReconcile).toBe(true);
    expect(journal.incarnations.get(other)?.toReconcile).toBe(false);
  });

  it('D7: say which names they touch, known or not', () => {
    const touched = (...given: Parameters<typeof event>): unknown => apply(event(...given)).touched;
    const gone = { name: A, madeAt: null };
    expect(touched('drop')).toEqual([gone]);
    expect(touched('create')).toEqual([{ name: A, madeAt: at(110) }]);
    expect(touched('rename', { to: B })).toEqual([gone, { name: B, madeAt: at(110) }]);
    const insert = { documentKey: key(1), namespace: { db: 'd', coll: 'c' } };
    expect(touched('insert', insert), 'new to the journal').toHaveLength(1);
    expect(touched('insert', insert)).toEqual([]);
  });

  it('D16: changes of options and indexes are reconciled, not replayed', () => {
    const id = listed();
    journal.incarnations.update(id, { toReconcile: false });
    for (const type of ['createIndexes', 'dropIndexes', 'modify']) {
      expect(apply(event(type)).restructured).toEqual([id]);
    }
    expect(journal.incarnations.get(id)?.toReconcile).toBe(true);
    expect(journal.structural.count()).toBe(0);
  });
});
