import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import {
  type DigestRequest,
  type KeyDigestRequest,
  documentDigest,
} from '@linkspan/contract/push/digest.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { serialize } from 'bson';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { DEFAULT_OPTIONS, type MigrationContext } from '../../src/migration/context.ts';
import { Flusher } from '../../src/migration/flusher.ts';
import { seriesUnchanged } from '../../src/migration/seriesPasses.ts';
import { Verifier } from '../../src/migration/verifier.ts';
import type { DocumentBatch, Pusher } from '../../src/push/pusher.ts';
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

  it('D19: is not done while a key is to be compared, however long it took to count that there was none', () => {
    const { id } = known('a', 'COPIED');
    const { walk } = step.journal.verifications.begin(id);
    step.journal.verifications.finish(id, walk);
    const verifier = new Verifier(step.context, () => wanted);
    const clock = vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValueOnce(1e9);
    expect(step.journal.keysToVerify.count()).toBe(0);
    clock.mockRestore();
    expect(verifier.isDone).toBe(true);
    const documentKey = Buffer.from(serialize({ _id: 1 }));
    step.journal.keysToVerify.pushed(id, [{ documentKey, comparable: comparableKey(documentKey) }]);
    expect(verifier.isDone).toBe(false);
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

  it.each([
    { where: 'in front of', ahead: 0 },
    { where: 'behind', ahead: 1200 },
  ])(
    'I6: what the destination alone has, $where all else, is journaled on the way, and once',
    async ({ ahead }) => {
      const extra = 7000;
      const isExtra = (_id: number): boolean => _id >= ahead && _id < ahead + extra;
      const ids = Array.from({ length: 1200 + extra }, (_, _id) => _id);
      await collection('a').insertMany(ids.filter((_id) => !isExtra(_id)).map((_id) => ({ _id })));
      const { id } = known('a', 'COPIED');
      seeAll();
      const of = () => step.journal.verifications.of(id);
      const verify = (stop: AbortController, stopsAt: number): void => {
        const context: MigrationContext = {
          ...step.context,
          pusher: { ...step.context.pusher, ...holding(ids, stopsAt) } as unknown as Pusher,
          options: { ...DEFAULT_OPTIONS, verifyChunk: 100, unmatchedAtMost: 300 },
          signal: stop.signal,
        };
        const verifier = new Verifier(context, () => wanted);
        verifier.hurry();
        verifier.run().catch(() => undefined);
      };
      const crash = new AbortController();
      verify(crash, 6000);
      const noted = (): number => step.journal.keysToVerify.count();
      await eventually(() => expect(noted()).toBeGreaterThanOrEqual(4000));
      crash.abort(new Error('the agent died'));
      expect(of()).toMatchObject({ done: false, documents: ahead });
      verify(step.stop, Infinity);
      // Nothing deletes them here, so that each stays as one that differed.
      await eventually(() => expect(of()).toMatchObject({ done: true, found: extra }));
      expect(of()).toMatchObject({ documents: 1200 });
      // Those given up of what both sides have are found to be equal.
      await eventually(() => expect(noted()).toBe(extra));
      expect(step.journal.dirty.countOf(id)).toBe(extra);
    },
  );
});

/** A destination with these keys, which answers no more once it has shown so many on one walk. */
function holding(ids: readonly number[], stopsAt: number): Pick<Pusher, 'digest' | 'keyDigests'> {
  const describeAll = (some: readonly number[]) =>
    some.map((_id) => {
      const raw = Buffer.from(serialize({ _id }));
      return { key: keyOf(raw), hash: documentDigest(raw) };
    });
  const numberIn = (key: Uint8Array): number => Buffer.from(key).readInt32LE(9);
  let from = 0;
  let shown = 0;
  return {
    async digest({ cursor, after, limit }: DigestRequest) {
      if (cursor === null) {
        from = after ? numberIn(after) + 1 : 0;
        shown = 0;
      }
      if (shown >= stopsAt) await new Promise(() => undefined);
      const some = ids.slice(from, from + limit);
      from += some.length;
      shown += some.length;
      const next = from < ids.length ? 'walk' : null;
      return { cursor: next, count: some.length, equal: false, documents: describeAll(some) };
    },
    async keyDigests({ keys }: KeyDigestRequest) {
      return { documents: describeAll(keys.map(numberIn).filter((_id) => ids.includes(_id))) };
    },
  };
}
