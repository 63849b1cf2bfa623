import { eventually } from '@linkspan/testkit/eventually.ts';
import { serialize } from 'bson';
import { beforeEach, describe, expect, it } from 'vitest';
import { Flusher } from '../../src/migration/flusher.ts';
import { seriesUnchanged } from '../../src/migration/seriesPasses.ts';
import { Verifier } from '../../src/migration/verifier.ts';
import type { DocumentBatch } from '../../src/push/pusher.ts';
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

describe('verification', () => {
  const wanted = { verify: 0, repair: 0 };

  beforeEach(() => step.journal.saveListedAt(1n));

  it('D7: counts only once the stream has passed it', async () => {
    await collection('b').insertOne({ _id: 1 });
    step.found = [Buffer.from(serialize({ _id: 1 }))];
    const { id } = known('a', 'COPIED');
    running(new Verifier(step.context, () => wanted));
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(true));
    see({ type: 'rename', to: app('b') });
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(false));
    expect(step.journal.verifications.of(id)).toMatchObject({ done: false, documents: 0 });
    expect(step.journal.verifications.isComplete(true)).toBe(false);
    step.journal.structural.remove(1);
    await eventually(() => expect(step.journal.verifications.isComplete(true)).toBe(true));
    expect(step.journal.verifications.of(id)).toMatchObject({ done: true, documents: 1 });
  });

  it('D20: what differs of a time series is found by its buckets, and goes as delete and insert', async ({
    skip,
  }) => {
    if (step.mongodb.capabilities.silentTimeSeries)
      skip('the server makes such collections itself');
    const { id } = known('w', 'COPIED');
    step.journal.incarnations.update(id, { buckets: true });
    // An ordinary collection of that name stands for the buckets; no event of it is applied.
    await collection('system.buckets.w').insertMany([{ _id: 1 }, { _id: 2 }]);
    const sent: DocumentBatch[] = [];
    step.onPush = async (batch) => void sent.push(batch);
    seeAll();
    for (const _id of [1, 2]) {
      const documentKey = Buffer.from(serialize({ _id }));
      const mark = { incarnation: id, collated: false, operation: 'write', time: 2n } as const;
      step.journal.dirty.mark({ ...mark, documentKey });
    }
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(
      new Set(step.pushed.flatMap(({ op, ids }) => ids.map((one) => `${op} ${String(one)}`))),
    ).toEqual(new Set(['recreate 1', 'recreate 2']));
    expect(sent.every(({ coll, buckets }) => coll === 'w' && buckets === true)).toBe(true);
    await expect(
      seriesUnchanged(step.context),
      'D21: written after it was verified',
    ).rejects.toThrow('app.w was written');
  });

  it('D1: one that is asked for while changes that were missed are repaired stays that repair', async () => {
    known('a', 'COPIED');
    const { id } = known('b', 'COPIED');
    step.journal.verifications.again('HISTORY_LOST');
    step.journal.incarnations.update(id, { toRepair: true });
    running(new Verifier(step.context, () => ({ verify: 1, repair: 0 })));
    await eventually(() => expect(step.journal.verifications.run().taken.verify).toBe(1));
    expect(step.journal.verifications.run().repair).toBe('HISTORY_LOST');
  });

  it('goes on when the collection is dropped meanwhile, and marks nothing of it', async () => {
    await collection('a').insertOne({ _id: 1 });
    const { id } = known('a', 'COPIED');
    running(new Verifier(step.context, () => wanted));
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(true));
    see({ type: 'drop', time: END_OF_TIME });
    await eventually(() => expect(step.context.gate.isWaitedFor).toBe(false));
    expect(step.journal.verifications.of(id)).toBeUndefined();
    expect(step.journal.keysToVerify.count() + step.journal.dirty.count()).toBe(0);
    expect(step.pushed).toEqual([]);
  });
});
