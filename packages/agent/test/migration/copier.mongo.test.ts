import { eventually } from '@linkspan/testkit/eventually.ts';
import { describe, expect, it } from 'vitest';
import { Copier } from '../../src/migration/copier.ts';
import { requestCopy } from '../../src/migration/recopy.ts';
import { Spreader } from '../../src/migration/spreader.ts';
import { PushRefusedError } from '../../src/push/errors.ts';
import { timestampOf } from '../../src/source/changeStream.ts';
import { connectSource } from '../../src/source/connection.ts';
import {
  app,
  collection,
  known,
  see,
  seeAll,
  running,
  refuseOnce,
  END_OF_TIME,
  step,
  withSteps,
} from '../support/step.ts';

withSteps();

describe('the copy', () => {
  it('D7: that nothing was found under a name counts only once the stream has passed it', async () => {
    await collection('b').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(true));
    see({ type: 'rename', to: app('b') });
    step.journal.structural.remove(1);
    step.context.work.notify();
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(step.pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('D6: what is copied again is read no older than marks that were evicted', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    const separator = step.mongodb.uri.includes('?') ? '&' : '?';
    await using watched = await connectSource(
      `${step.mongodb.uri}${separator}monitorCommands=true`,
    );
    const reads: unknown[] = [];
    watched.client.on('commandStarted', ({ commandName, command }) => {
      if (commandName === 'find') reads.push(command['readConcern']);
    });
    const { time } = await watched.run('admin', { ping: 1 });
    step.context.gate.advance({ time, through: true });
    step.context = { ...step.context, source: watched };
    requestCopy(step.journal, id);
    step.journal.incarnations.update(id, { destination: app('a') });
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(reads.length).toBeGreaterThan(0));
    const afterClusterTime = timestampOf(time);
    expect(new Set(reads)).toEqual(new Set([{ level: 'majority', afterClusterTime }]));
    seeAll();
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
  });

  it('D16: what the destination refuses is reconciled and pushed again', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    step.onPush = refuseOnce(id);
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(step.pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('I8: what broke off with its collection is not waited for any more', async () => {
    for (const name of ['dropped', 'renamed']) {
      await collection(name).insertOne({ _id: 1 });
      known(name, 'PENDING');
    }
    step.onPush = async () => {
      throw new PushRefusedError('DESTINATION_REFUSED', 'not authorized');
    };
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    const told = (): string | null => step.context.waiting.describe();
    await eventually(() => expect(told()).toMatch(/app.dropped.*app.renamed/));
    see({ type: 'drop', namespace: app('dropped'), time: END_OF_TIME });
    expect(told()).toMatch(/^copying app.renamed/);
    see({ type: 'rename', namespace: app('renamed'), to: app('b'), time: END_OF_TIME });
    expect(told()).toBeNull();
  });

  it('D2, D7: a collection that is dropped or renamed while it is made again takes nothing of another', async () => {
    const options = { capped: true, size: 4096 };
    const ids = ['dropped', 'renamed'].map((name) => known(name, 'PENDING').id);
    for (const id of ids)
      step.journal.incarnations.update(id, { toRecopy: true, capped: '4096/0' });
    for (const name of ['dropped', 'renamed']) {
      await step.mongodb.client().db('app').createCollection(name, options);
    }
    const structure = step.context.pusher.structure.bind(step.context.pusher);
    step.context.pusher.structure = async (request, signal) => {
      const reply = await structure(request, signal);
      if (request.action !== 'collection') return reply;
      const namespace = app(request.coll);
      await collection(request.coll).insertOne({ _id: 'of another' });
      if (request.coll === 'dropped') {
        see({ type: 'drop', namespace, time: 3n });
        see({ type: 'create', namespace, time: 4n });
      } else see({ type: 'rename', namespace, to: app('b'), time: 3n });
      return reply;
    };
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => {
      expect(step.structured).toEqual(
        expect.arrayContaining(['collection dropped', 'collection renamed']),
      );
    });
    await eventually(() => expect(step.context.locks.size).toBe(0));
    expect(ids.map((id) => step.journal.incarnations.get(id)?.state)).toEqual(['ENDED', 'PENDING']);
    expect(step.pushed).toEqual([]);
  });

  it('I8: what has no ranges, since it broke off in its order, is copied and not taken for copied', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'PENDING');
    step.journal.incarnations.update(id, { state: 'COPYING' });
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(step.pushed).toEqual([{ op: 'insert', ids: [1, 2] }]);
  });

  it('cuts a large collection into ranges also where it was put off at first', async () => {
    const text = 'x'.repeat(1000);
    await collection('a').insertMany(Array.from({ length: 400 }, (_, _id) => ({ _id, text })));
    const { id } = known('a', 'PENDING');
    step.journal.incarnations.update(id, { state: 'COPYING', bytesTotal: 400_000, measured: true });
    step.journal.ranges.plan(id, []);
    step.context = {
      ...step.context,
      options: { ...step.context.options, copyBatchBytes: 1, rangeBytes: 1000 },
    };
    let ranges = 0;
    step.onPush = async () => {
      ranges = Math.max(ranges, step.journal.ranges.of(id).length);
      return undefined;
    };
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(ranges).toBeGreaterThan(1);
  });

  it('I8: a document that the destination refuses does not count as copied', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }, { _id: 3 }]);
    const { id } = known('a', 'PENDING');
    const failures = [{ index: 1, code: 121, message: 'refused' }];
    step.onPush = async () => ({ written: 2, duplicates: 0, failures });
    seeAll();
    running(new Copier(step.context, new Spreader(step.context)));
    await eventually(() => expect(step.journal.incarnations.get(id)?.state).toBe('COPIED'));
    expect(step.journal.incarnations.get(id)).toMatchObject({
      documentsCopied: 2,
      documentsTotal: 2,
    });
    expect(step.journal.dirty.count(), 'it is pending').toBe(1);
  });
});
