import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { serialize } from 'bson';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../src/journal/incarnations.ts';
import { Flusher } from '../../src/migration/flusher.ts';
import { listSourceInto } from '../../src/migration/listSourceInto.ts';
import { requestCopy, requestRecopy } from '../../src/migration/recopy.ts';
import { Structure } from '../../src/migration/structure.ts';
import { PushRefusedError } from '../../src/push/errors.ts';
import {
  app,
  collection,
  known,
  see,
  seeAll,
  running,
  END_OF_TIME,
  step,
  withSteps,
} from '../support/step.ts';

withSteps();

describe('structure', () => {
  it('D4: that the source is to be listed again is in the journal until it was', async () => {
    const structure = new Structure(step.context, async () => undefined);
    const isToList = () => step.journal.state()?.isToList;
    const during: unknown[] = [];
    step.context.hooks.afterSourceListing = async () => void during.push(isToList());
    seeAll();
    step.journal.saveListedAt(1n);
    step.journal.saveToList(true);
    structure.relist();
    running(structure);
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(during).toEqual([true]);
    expect(isToList()).toBe(false);
  });

  it('I6: nothing is kept in memory of collections that have gone', async () => {
    const structure = new Structure(step.context, async () => undefined);
    seeAll();
    running(structure);
    step.context.sizes.begin(false);
    const ids: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await collection('tmp').insertOne({ _id: 1 });
      await collection('tmp').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
      await listSourceInto(step.context, () => undefined);
      await eventually(() => expect(structure.isSettled).toBe(true));
      const { id } = step.journal.incarnations.byName(app('tmp')) as Incarnation;
      ids.push(id);
      const names = step.context.lives.nameChanges(id);
      await collection('tmp').drop();
      see({ type: 'drop', namespace: app('tmp'), time: END_OF_TIME });
      expect(step.context.lives.nameChanges(id) === names, 'what was read of it is worthless').toBe(
        false,
      );
      await eventually(() => expect(step.journal.incarnations.get(id)).toBeUndefined());
      step.context.lives.structureChanged(id);
      expect(step.context.lives.nameChanges(id) === names, 'and stays so').toBe(false);
    }
    expect(new Set(ids).size, 'D2: an id is never given again').toBe(5);
    expect([step.context.lives.size, step.context.locks.size]).toEqual([0, 0]);
  });

  it('D2: a reconciliation that finds another collection under the name makes it a new one', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { uuid: '11'.repeat(16), toReconcile: true });
    seeAll();
    const structure = new Structure(step.context, async () => undefined);
    running(structure);
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(step.structured).toEqual(['drop a', 'collection a']);
    expect(step.journal.incarnations.byName(app('a'))?.state).toBe('PENDING');
  });

  it.each([
    { why: 'gone', code: 'NAMESPACE_GONE' },
    { why: 'not what is wanted, after a change of hosts', code: 'STRUCTURE_REFUSED' },
  ])(
    'D2: what the destination says is $why does not live again where it was dropped meanwhile',
    async ({ code }) => {
      await collection('a').insertOne({ _id: 1 });
      const { id } = known('a', 'COPIED');
      step.journal.verifications.again('HOST_REPLACED');
      step.journal.incarnations.update(id, { toReconcile: true, toRepair: true });
      const structures = step.context.pusher.structures.bind(step.context.pusher);
      step.context.pusher.structures = async (...request) => {
        step.context.pusher.structures = structures;
        see({ type: 'drop', time: END_OF_TIME });
        see({ type: 'create', time: END_OF_TIME + 1n });
        const refused = { code, message: 'not so', holders: [] };
        return { results: request[0].map(() => ({ changes: [], refused })) };
      };
      seeAll();
      const structure = new Structure(step.context, async () => undefined);
      running(structure);
      await eventually(() => {
        expect([step.pushed, structure.isSettled]).toEqual([[], true]);
      });
      expect(step.structured).toEqual(['drop a', 'collection a']);
      expect([...structure.refusals.values()]).toEqual([]);
      expect(step.journal.incarnations.get(id)).toBeUndefined();
      expect(step.journal.incarnations.byName(app('a'))?.state).toBe('COPIED');
    },
  );

  it('D2: one that has ended at the source is not copied again, whoever asks for it', () => {
    const { id } = known('a', 'COPIED');
    see({ type: 'drop', time: END_OF_TIME });
    requestRecopy(step.journal, id, null);
    requestCopy(step.journal, id);
    expect(step.journal.incarnations.get(id)).toMatchObject({ state: 'ENDED', toRecopy: false });
  });

  it('D16: a collection that is dropped while the destination refuses to make it is no reason to end', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'PENDING');
    step.journal.incarnations.update(id, { destination: null, toReconcile: true });
    step.context.pusher.structures = async () => {
      see({ type: 'drop', time: END_OF_TIME });
      const refused = { code: 'STRUCTURE_REFUSED', message: 'not so', holders: [] };
      return { results: [{ changes: [], refused }] };
    };
    seeAll();
    const structure = new Structure(step.context, async () => undefined);
    running(structure);
    await eventually(() => {
      expect([step.pushed, structure.isSettled]).toEqual([[], true]);
    });
    expect(step.journal.incarnations.get(id)).toBeUndefined();
  });

  it('D7: what was dropped and made again while it is reconciled is not forgotten', async () => {
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { uuid: '11'.repeat(16), toReconcile: true });
    let isFirst = true;
    const afterListing = async (): Promise<void> => {
      if (!isFirst) return;
      isFirst = false;
      // Of a life that the journal does not know, so that it ends nothing.
      see({ type: 'drop', uuid: '22'.repeat(16), time: END_OF_TIME });
      await collection('a').insertOne({ _id: 1 });
      const documentKey = keyOf(Buffer.from(serialize({ _id: 1 })));
      see({ type: 'insert', documentKey, time: END_OF_TIME });
    };
    step.context = { ...step.context, hooks: { afterListing } };
    seeAll();
    const structure = new Structure(step.context, async () => undefined);
    running(structure);
    await eventually(() => expect(structure.isSettled).toBe(true));
    const now = step.journal.incarnations.byName(app('a'));
    expect(now, 'all of it is copied').toMatchObject({ state: 'PENDING' });
    expect(now?.id).not.toBe(id);
  });

  it('I3: a name that another collection has is known from the moment that the first one ends', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { uuid: '11'.repeat(16), toReconcile: true });
    const crash = new Promise<never>(() => undefined);
    step.context = { ...step.context, hooks: { afterSourceListing: () => crash } };
    seeAll();
    running(new Structure(step.context, async () => undefined));
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).not.toBe('COPIED'));
    expect(step.journal.incarnations.byName(app('a'))?.state).toBe('PENDING');
  });

  it('D5: what a listing finds or misses in the last stage of a cutover is a change', async () => {
    await collection('new').insertOne({ _id: 1 });
    for (const name of ['gone', 'goneUnlisted']) known(name, 'COPIED');
    const structure = new Structure(step.context, async () => undefined);
    structure.relist();
    structure.enterStage('final');
    seeAll();
    running(structure);
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(structure.changes).toEqual([
      'app.gone: not at the source any more as it was known',
      'app.goneUnlisted: not at the source any more as it was known',
      'app.new: found at the source',
      'app.new: made',
    ]);
    const { id } = known('goneUnlisted', 'COPIED');
    step.journal.incarnations.update(id, { toReconcile: true });
    structure.enterStage('final');
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(structure.changes, 'by a reconciliation').toEqual([
      'app.goneUnlisted: not at the source any more as it was known',
    ]);
  });

  it('Hazard 13, D5: a create whose answer was lost is a change all the same', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { destination: null });
    const structure = new Structure(step.context, async () => undefined);
    structure.enterStage('final');
    seeAll();
    running(structure);
    // The destination has it already: it answers that there was nothing to do.
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(structure.changes).toEqual(['app.a: made']);
  });

  it('D17: two documents of one key are pushed as they are at the source, and then named', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { toReconcile: true });
    const holders = [1, 2].map((_id) => Buffer.from(serialize({ _id })).toString('base64'));
    const message = 'the documents with _id 1 and 2 have the same key';
    let builds = 0;
    step.context.pusher.structures = async () => {
      builds += 1;
      const refused = { code: 'STRUCTURE_REFUSED', message, holders };
      return { results: [{ changes: [], refused }] };
    };
    seeAll();
    const structure = new Structure(step.context, async () => undefined);
    running(structure);
    running(new Flusher(step.context));
    await eventually(() => expect([...structure.refusals.values()].join()).toContain(message));
    expect(new Set(step.pushed.flatMap(({ ids }) => ids))).toEqual(new Set([1, 2]));
    expect(builds).toBe(2);
  });

  it('D16: a rename that is refused is shown and tried again, also where the listing is refused', async () => {
    const { id } = known('a', 'COPIED');
    await collection('b').insertOne({ _id: 1 });
    const { pusher } = step.context;
    const [structure, listing] = [pusher.structure.bind(pusher), pusher.listing.bind(pusher)];
    pusher.structure = async () => {
      throw new PushRefusedError('STRUCTURE_REFUSED', 'not authorized to rename');
    };
    pusher.listing = async () => {
      throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized to list');
    };
    see({ type: 'rename', to: app('b'), time: END_OF_TIME });
    const worker = new Structure(step.context, async () => undefined);
    running(worker);
    const why = 'app.a: not authorized to rename';
    await eventually(() => {
      expect([step.pushed, [...worker.refusals.values()]]).toEqual([[], [why]]);
    });
    expect(step.journal.structural.count()).toBe(1);
    Object.assign(pusher, { structure, listing });
    await eventually(() => expect(worker.isSettled).toBe(true));
    expect(step.structured).toEqual(['rename a', 'collection b']);
    expect(step.journal.incarnations.get(id)?.destination).toEqual(app('b'));
  });

  it('D21: is not settled while the source is listed', async () => {
    await collection('a').insertOne({ _id: 1 });
    const structure = new Structure(step.context, async () => undefined);
    structure.relist();
    running(structure);
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(true));
    expect(structure.isSettled).toBe(false);
    seeAll();
    await eventually(() => expect(structure.isSettled).toBe(true));
    expect(step.structured).toEqual(['collection a']);
  });

  it('I4: what a crash left behind unknown to the journal is dropped if it is empty', async () => {
    step.there = new Map([
      ['left', 0],
      ['leftFull', 1],
      ['known', 0],
      ['renamed', 0],
    ]);
    const { id } = known('known', 'COPIED');
    step.journal.structural.add({ incarnation: id, kind: 'rename', to: app('renamed') }, null);
    const { id: unmade } = known('unmade', 'COPIED');
    step.journal.incarnations.update(unmade, { destination: null });
    seeAll();
    running(new Structure(step.context, async () => undefined));
    await eventually(() => expect(step.journal.structural.count()).toBe(0));
    expect(step.structured).toEqual(['drop left', 'rename known']);
  });

  it('I4: also if it was dropped at the source before that crash', async () => {
    step.there = new Map([['a', 0]]);
    const { id } = known('a', 'PENDING');
    step.journal.incarnations.update(id, { destination: null });
    see({ type: 'drop', time: END_OF_TIME });
    running(new Structure(step.context, async () => undefined));
    await eventually(() => expect(step.journal.incarnations.get(id)).toBeUndefined());
    expect(step.structured).toEqual(['drop a']);
  });
});
