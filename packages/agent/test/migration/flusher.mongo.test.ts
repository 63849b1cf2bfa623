import { eventually } from '@linkspan/testkit/eventually.ts';
import { failCommands, healCommands } from '@linkspan/testkit/failPoints.ts';
import { deserialize, serialize } from 'bson';
import { describe, expect, it } from 'vitest';
import type { Incarnation } from '../../src/journal/incarnations.ts';
import type { EngineOptions } from '../../src/migration/context.ts';
import { Flusher } from '../../src/migration/flusher.ts';
import { Throttle } from '../../src/migration/throttle.ts';
import {
  app,
  collection,
  known,
  see,
  seeAll,
  mark,
  running,
  refuseOnce,
  END_OF_TIME,
  step,
  withSteps,
} from '../support/step.ts';

withSteps();

describe('the flush', () => {
  it('D7: a rename that is seen while deletes are pushed makes the name to read another', async () => {
    await collection('b').insertMany([{ _id: 2, text: 'new' }]);
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'delete');
    for (let _id = 2; _id < 12; _id += 1) mark(incarnation, _id, 'write');
    for (let _id = 12; _id < 22; _id += 1) mark(incarnation, _id, 'delete');
    let isRenamed = false;
    step.onPush = async () => {
      if (!isRenamed) see({ type: 'rename', to: app('b') });
      isRenamed = true;
      return undefined;
    };
    running(new Flusher(step.context));
    await eventually(() => expect(step.pushed.length).toBeGreaterThan(3));
    step.journal.structural.remove(1);
    step.context.work.notify();
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.pushed.filter(({ op }) => op === 'replace')).toEqual([{ op: 'replace', ids: [2] }]);
    expect(step.pushed.filter(({ op, ids }) => op === 'delete' && ids.includes(2))).toEqual([]);
  });

  it('D16: what the destination refuses is reconciled and pushed again', async () => {
    await collection('a').insertOne({ _id: 1 });
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'write');
    step.onPush = refuseOnce(incarnation.id);
    seeAll();
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.pushed).toEqual([{ op: 'replace', ids: [1] }]);
  });

  /** The destination refuses every write of the key 1; reconciliations of its collection change nothing. */
  async function refusing(options: Partial<EngineOptions>): Promise<() => number> {
    await collection('a').insertOne({ _id: 1 });
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'write');
    step.context = { ...step.context, options: { ...step.context.options, ...options } };
    let reconciled = 0;
    const failures = [{ index: 0, code: 16_766, message: 'hashed indexes take no arrays' }];
    step.onPush = async () => {
      if (step.journal.incarnations.get(incarnation.id)?.toReconcile) reconciled += 1;
      step.journal.incarnations.update(incarnation.id, { toReconcile: false });
      return { written: 0, duplicates: 0, failures };
    };
    seeAll();
    return () => reconciled;
  }

  it('D16: a document that is refused is reconciled, told of, and no reason to end in seconds', async () => {
    const reconciled = await refusing({});
    const flusher = new Flusher(step.context);
    running(flusher);
    await eventually(() => expect(reconciled()).toBe(1));
    await eventually(() =>
      expect(flusher.refusals.warnings().join()).toContain('app.a refuses the document with _id 1'),
    );
    const times = step.pushed.length;
    await eventually(() => expect(step.pushed.length).toBeGreaterThan(times + 4));
    step.onPush = async () => undefined;
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(flusher.refusals.warnings()).toEqual([]);
    expect(step.pushed.map(({ op }) => op)).not.toContainEqual(expect.stringContaining('died'));
  });

  it('D16: a document that goes on being refused by what was reconciled ends the migration in the end', async () => {
    await refusing({ refusedMs: 0 });
    running(new Flusher(step.context));
    await eventually(() => expect(step.pushed.at(-1)?.op).toContain('app.a refuses the document'));
  });

  it('I8: a read that breaks off behind the last key leaves nothing that is waited for', async (context) => {
    if (!step.mongodb.capabilities.failCommand) context.skip('needs failCommand');
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'write');
    mark(incarnation, 2, 'write');
    const brokenOff: unknown[] = [];
    const warn = (fields: object): void => void brokenOff.push(fields);
    Object.assign(step.context.log, { warn });
    const lost = { failCommands: ['getMore'], errorCode: 43, appName: 'linkspan-agent' };
    await failCommands(step.mongodb, lost);
    seeAll();
    running(new Flusher(step.context));
    await eventually(() => expect(brokenOff.length).toBeGreaterThan(0));
    await healCommands(step.mongodb);
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    await eventually(() => expect(step.context.waiting.describe()).toBeNull());
  });

  it('D15: under a collation, a key that has gone takes no equal one with it', async () => {
    const options = { collation: { locale: 'en', strength: 2 } };
    await step.mongodb.client().db('app').createCollection('a', options);
    await collection('a').insertOne({ _id: 'A' });
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { collated: true });
    const incarnation = step.journal.incarnations.get(id) as Incarnation;
    // As a repair marks them that finds "a" at the destination alone, and "A" at the source.
    mark(incarnation, 'A', 'write');
    mark(incarnation, 'a', 'write');
    seeAll();
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    // The destination takes a delete of "a" for one of "A".
    expect(step.pushed.filter(({ op }) => op === 'delete')).toEqual([{ op: 'delete', ids: ['a'] }]);
    expect(step.pushed.at(-1)).toEqual({ op: 'replace', ids: ['A'] });
  });

  /** A capped collection that is at the destination, with three documents at the source. */
  async function cappedWithThree(): Promise<Incarnation> {
    await step.mongodb.client().db('app').createCollection('a', { capped: true, size: 4096 });
    await collection('a').insertMany([{ _id: 3 }, { _id: 1 }, { _id: 2 }]);
    const { id } = known('a', 'COPIED');
    step.journal.incarnations.update(id, { capped: '4096/0' });
    return step.journal.incarnations.get(id) as Incarnation;
  }

  it('D12: what was inserted into a capped collection is pushed in that order, whatever came later', async () => {
    await cappedWithThree();
    for (const _id of [3, 1, 2]) {
      see({ type: 'insert', documentKey: Buffer.from(serialize({ _id })) });
    }
    for (const type of ['update', 'delete', 'insert']) {
      see({ type, documentKey: Buffer.from(serialize({ _id: 1 })) });
    }
    see({ type: 'update', documentKey: Buffer.from(serialize({ _id: 3 })) });
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.pushed).toEqual([
      { op: 'replace', ids: [3, 2] },
      { op: 'recreate', ids: [1] },
    ]);
  });

  it('D12: what the destination does not take of a capped collection is left to a comparison', async () => {
    const incarnation = await cappedWithThree();
    step.onPush = async ({ documents }) => ({
      written: 0,
      duplicates: 0,
      failures: documents.map((_, index) => ({ index, code: 20, message: 'not in a capped one' })),
    });
    mark(incarnation, 9, 'delete');
    seeAll();
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.journal.incarnations.get(incarnation.id)?.toRepair, 'it evicts by itself').toBe(
      false,
    );
    mark(incarnation, 1, 'write');
    step.context.work.notify();
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.journal.incarnations.get(incarnation.id)?.toRepair).toBe(true);
  });

  it('D17, D3: what is refused for the key of another is deleted first, and the other one is pushed', async () => {
    await collection('a').insertMany([{ _id: 1 }, { _id: 2 }]);
    const incarnation = known('a', 'COPIED');
    mark(incarnation, 1, 'write');
    mark(incarnation, 3, 'delete');
    let isFirst = true;
    const holderOf = (_id: number): string => Buffer.from(serialize({ _id })).toString('base64');
    step.onPush = async ({ op }) => {
      if (op !== 'replace' || !isFirst) return undefined;
      isFirst = false;
      const refused = { index: 0, code: 11_000, message: 'another document has the same key' };
      return { written: 0, duplicates: 0, failures: [{ ...refused, holder: holderOf(2) }] };
    };
    seeAll();
    running(new Flusher(step.context));
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.pushed).toContainEqual({ op: 'recreate', ids: [1] });
    expect(step.pushed).toContainEqual({ op: 'replace', ids: [2] });
    expect(step.journal.incarnations.get(incarnation.id)?.toReconcile).toBe(true);
  });

  it('D17: who wants a unique key stands behind who has it, however many want one', async () => {
    const ids = Array.from({ length: 40 }, (_, _id) => _id);
    await collection('a').insertMany(ids.map((_id) => ({ _id })));
    const incarnation = known('a', 'COPIED');
    for (const _id of ids) mark(incarnation, _id, 'write');
    // A lane takes one key at once, so that what it does not get past is all that it ever takes.
    let now = 0;
    const clock = {
      now: () => now,
      sleep: async (milliseconds: number) => void (now += milliseconds),
    };
    const throttle = new Throttle({ bytesPerSecond: null, documentsPerSecond: 1 }, clock);
    step.context = { ...step.context, throttle };
    const holder = Buffer.from(serialize({ _id: 39 })).toString('base64');
    let isFree = false;
    step.onPush = async ({ documents }) => {
      isFree ||= documents.some((document) => deserialize(document)['_id'] === 39);
      if (isFree) return undefined;
      const failures = [{ index: 0, code: 11_000, message: 'has the same key', holder }];
      return { written: 0, duplicates: 0, failures };
    };
    seeAll();
    const flusher = new Flusher(step.context);
    running(flusher);
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(flusher.refusals.stuck).toBeNull();
  });

  it('D17: what a unique index of a cutover refuses ends the cutover, not the migration', async () => {
    await collection('a').insertOne({ _id: 1 });
    mark(known('a', 'COPIED'), 1, 'write');
    step.journal.saveStage('unique');
    const failures = [{ index: 0, code: 11_000, message: 'another document has the same key' }];
    step.onPush = async () => ({ written: 0, duplicates: 0, failures });
    seeAll();
    const flusher = new Flusher(step.context);
    running(flusher);
    await eventually(() => expect(flusher.refusals.stuck).toContain('app.a refuses'));
    // Without the index it is taken.
    step.journal.saveStage('tail');
    step.onPush = async () => undefined;
    await eventually(() => expect(step.journal.dirty.count()).toBe(0));
    expect(step.pushed.at(-1)).toEqual({ op: 'recreate', ids: [1] });
  });
});

it('D16: a drop waits for one push, and not for all that a throttle holds back', async () => {
  const text = 'x'.repeat(1000);
  const incarnation = known('a', 'COPIED');
  await collection('a').insertMany(Array.from({ length: 40 }, (_, _id) => ({ _id, text })));
  for (let _id = 0; _id < 40; _id += 1) mark(incarnation, _id, 'write');
  let now = 0;
  const clock = {
    now: () => now,
    sleep: async (milliseconds: number) => void (now += milliseconds),
  };
  const throttle = new Throttle({ bytesPerSecond: 1000, documentsPerSecond: null }, clock);
  step.context = { ...step.context, throttle };
  step.onPush = async () => {
    see({ type: 'drop', time: END_OF_TIME });
    return undefined;
  };
  seeAll();
  running(new Flusher(step.context));
  await eventually(() => expect(step.pushed.length).toBeGreaterThan(0));
  await step.context.locks.exclusive(incarnation.id, async () => undefined);
  expect(step.pushed).toHaveLength(1);
});
