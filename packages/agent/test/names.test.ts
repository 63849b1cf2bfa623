import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import { type Document, serialize } from 'bson';
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import { applyEvent } from '../src/migration/applyEvent.ts';
import { whyNotThere } from '../src/migration/destinationName.ts';
import { findingsOfNames } from '../src/source/validation/names.ts';
import type { ChangeEvent } from '../src/source/events.ts';
import type { ListedNamespace } from '../src/source/listing.ts';

const seconds = (at: number): bigint => BigInt(at) << 32n;
const key = (id: unknown): Buffer => Buffer.from(serialize({ _id: id } as Document));
const ns = (db: string, coll: string): Namespace => ({ db, coll });
const namespaces = (part: Partial<Namespaces>): Namespaces => ({
  include: [],
  exclude: [],
  rename: [],
  ...part,
});
const renames = (...pairs: [from: string, to: string][]) =>
  namespaces({ rename: pairs.map(([from, to]) => ({ from, to })) });
const listed = (name: Namespace, view?: Document): ListedNamespace => ({
  namespace: name,
  type: view === undefined ? 'collection' : 'view',
  uuid: null,
  options: view ?? {},
  indexes: [],
  buckets: false,
  unsupported: null,
});

describe('events', () => {
  let journal: Journal;
  let tokens = 0;
  let time = 200;

  beforeEach(() => {
    journal = openJournal(':memory:', '0'.repeat(24));
    const position = { time: seconds(90), through: true };
    journal.begin({ sourceIdentity: '', resumeToken: key('t'), position });
  });

  const known = (source: Namespace, destination: Namespace | null = null): number => {
    const type = 'collection';
    const knownSince = seconds(100);
    const added = journal.incarnations.add({
      source,
      type,
      uuid: null,
      knownSince,
      state: 'COPIED',
    });
    journal.incarnations.update(added.id, { destination, toReconcile: false });
    return added.id;
  };

  function apply(
    selection: Selection,
    type: string,
    namespace: Namespace,
    more: Partial<ChangeEvent> = {},
  ) {
    tokens += 1;
    time += 1;
    const event: ChangeEvent = {
      type,
      token: key(tokens),
      time: seconds(time),
      namespace,
      to: null,
      documentKey: null,
      uuid: null,
      createdType: 'collection',
      createdCap: null,
      ...more,
    };
    return applyEvent(journal, event, seconds(100), selection);
  }

  it('of what is not selected mark, create, drop and list nothing', () => {
    const selection = new Selection(namespaces({ exclude: ['d.out*'] }));
    for (const type of ['insert', 'create', 'drop', 'createIndexes', 'modify', 'unheardOf']) {
      const { relist } = apply(selection, type, ns('d', 'out1'), { documentKey: key(1) });
      expect(`${type} ${relist}`).toBe(`${type} false`);
    }
    expect([...journal.incarnations.live()]).toEqual([]);
    apply(selection, 'insert', ns('d', 'in'), { documentKey: key(1) });
    expect(Array.from(journal.incarnations.live(), ({ source }) => source.coll)).toEqual(['in']);
  });

  it('D18: a rename into the selection is a copy, one out of it a drop, and one beside it nothing', () => {
    const selection = new Selection(namespaces({ exclude: ['d.out*'] }));
    apply(selection, 'rename', ns('d', 'out1'), { to: ns('d', 'in') });
    expect(journal.incarnations.byName(ns('d', 'in'))).toMatchObject({ state: 'PENDING' });
    apply(selection, 'rename', ns('d', 'in'), { to: ns('d', 'out2') });
    expect([...journal.incarnations.live()]).toEqual([]);
    expect(journal.structural.first()).toMatchObject({ kind: 'drop' });
    apply(selection, 'rename', ns('d', 'out2'), { to: ns('d', 'out3') });
    expect(journal.structural.count()).toBe(1);
  });

  it('a rename is repeated under the names of the destination', () => {
    const selection = new Selection(renames(['a', 'b'], ['a.y', 'c.z']));
    const id = known(ns('a', 'x'), ns('b', 'x'));
    apply(selection, 'rename', ns('a', 'x'), { to: ns('a', 'y') });
    expect(journal.structural.first()).toEqual({
      sequence: 1,
      incarnation: id,
      kind: 'rename',
      to: ns('c', 'z'),
    });
  });

  it('D11: a rename to a name that another one has there is a drop and a new beginning', () => {
    const selection = new Selection(renames(['b', 'a']));
    const holder = known(ns('a', 'x'), ns('a', 'x'));
    const moved = known(ns('b', 'y'), ns('a', 'y'));
    apply(selection, 'rename', ns('b', 'y'), { to: ns('b', 'x') });
    expect(journal.structural.first()).toMatchObject({ kind: 'drop', incarnation: moved });
    const again = journal.incarnations.byName(ns('b', 'x'));
    expect(again).toMatchObject({ state: 'PENDING', destination: null });
    const context = { journal, selection };
    const why = whyNotThere(context, again!, listed(ns('b', 'x')));
    expect(why).toContain('would be a.x, and so is that of a.x');
    expect(
      whyNotThere(context, journal.incarnations.get(holder)!, listed(ns('a', 'x'))),
    ).toBeNull();

    journal.incarnations.update(again!.id, { unsupported: why, toReconcile: false });
    apply(selection, 'drop', ns('a', 'x'));
    expect(journal.incarnations.isTaken(ns('a', 'x'), again!.id), 'until it is dropped').toBe(true);
    const freed = journal.incarnations.get(again!.id)!;
    expect(whyNotThere(context, freed, listed(ns('b', 'x')))).toBeNull();
  });

  it('of several with one name the older gets it, and never two', () => {
    const selection = new Selection(renames(['b', 'a'], ['c', 'a']));
    const names = ['a', 'b', 'c'].map((db) => ns(db, 'x'));
    const order = fc.shuffledSubarray(names, { minLength: 2 });
    fc.assert(
      fc.property(order, (sources) => {
        journal = openJournal(':memory:', '0'.repeat(24));
        const position = { time: seconds(90), through: true };
        journal.begin({ sourceIdentity: '', resumeToken: key('t'), position });
        const ids = sources.map((source) => known(source));
        const taking = ids.filter((id) => {
          const incarnation = journal.incarnations.get(id)!;
          return (
            whyNotThere({ journal, selection }, incarnation, listed(incarnation.source)) === null
          );
        });
        expect(taking).toEqual(ids.slice(0, 1));
      }),
    );
  });
});

describe('what a source makes of a selection', () => {
  const source = [
    listed(ns('a', 'x')),
    listed(ns('b', 'x')),
    listed(ns('A2', 'x')),
    listed(ns('c', 'n'.repeat(240))),
    listed(ns('a', 'v'), { viewOn: 'x', pipeline: [] }),
  ];
  const codes = (part: Namespaces): string[] =>
    findingsOfNames(part, source).map(({ severity, code }) => `${severity} ${code}`);

  it('is told with a code and what to do', () => {
    expect(codes(namespaces({}))).toEqual([]);
    expect(codes(renames(['a', 'b']))).toEqual(['error NAMESPACES_COLLIDE']);
    expect(codes(renames(['b', 'a2']))).toEqual(['error DATABASES_DIFFER_BY_CASE']);
    expect(codes(renames(['c', 'a name'.replace(' ', '_').repeat(3)]))).toEqual([
      'error DESTINATION_NAME_REFUSED',
    ]);
    expect(codes(renames(['a.x', 'd.x']))).toEqual(['error VIEW_ACROSS_DATABASES']);
    expect(codes(namespaces({ exclude: ['a.x'] }))).toEqual([
      'warning VIEW_WITHOUT_ITS_COLLECTION',
    ]);
    expect(codes(namespaces({ exclude: ['a', 'gone'] }))).toEqual([
      'warning PATTERN_MATCHES_NOTHING',
    ]);
    expect(codes(renames(['gone', 'b']))).toEqual(['warning PATTERN_MATCHES_NOTHING']);
    const [collision] = findingsOfNames(renames(['a', 'b']), source);
    expect(collision?.message).toBe(
      'Several namespaces would have one name at the destination: a.x and b.x would both be b.x.',
    );
  });
});
