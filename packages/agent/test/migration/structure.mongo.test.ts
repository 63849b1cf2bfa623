import { eventually } from '@linkspan/testkit/eventually.ts';
import { serialize } from 'bson';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../src/journal/incarnations.ts';
import { Flusher } from '../../src/migration/flusher.ts';
import { listSourceInto } from '../../src/migration/listSourceInto.ts';
import { Structure } from '../../src/migration/structure.ts';
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
  it('I6: nothing is kept in memory of collections that have gone', async () => {
    const structure = new Structure(step.context, async () => undefined);
    seeAll();
    running(structure);
    step.context.sizes.begin(false);
    const ids: number[] = [];
    for (let round = 0; round < 5; round += 1) {
      await collection('tmp').insertOne({ _id: 1 });
      await collection('tmp').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
      await listSourceInto(step.context);
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
});
