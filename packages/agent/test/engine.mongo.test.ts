import { Double, type Document } from 'mongodb';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import { failCommands, healCommands } from '@linkspan/testkit/failPoints.ts';
import { type DestinationSide, startDestinationSide } from '@linkspan/testkit/linkedPair.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { oddDocuments } from '@linkspan/testkit/values.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type CutoverStep, MigrationFailedError } from '../src/migration/context.ts';
import { MigrationPausedError } from '../src/push/errors.ts';
import { InProcessHost } from './support/inProcessHost.ts';

/** Every migration moves the whole source, so each test has the databases for itself. */
let source: MongoDB;
let destination: MongoDB;
let side: DestinationSide;
let host: InProcessHost;

interface Numbered extends Document {
  _id: number;
}

beforeAll(async () => {
  source = await startMongoDB({ name: 'source' });
  destination = await startMongoDB({ name: 'destination' });
});

afterAll(async () => {
  await source.stop();
  await destination.stop();
});

beforeEach(async () => {
  for (const mongodb of [source, destination]) {
    const { databases } = await mongodb.client().db('admin').admin().listDatabases();
    for (const { name } of databases) {
      if (!['admin', 'config', 'local'].includes(name))
        await mongodb.client().db(name).dropDatabase();
    }
  }
  side = await startDestinationSide({ source, destination });
  host = await InProcessHost.link(side);
});

afterEach(async () => {
  await host[Symbol.asyncDispose]();
  await side[Symbol.asyncDispose]();
});

const collection = (name: string) => source.client().db('app').collection<Numbered>(name);
const copied = (name: string) => destination.client().db('app').collection<Numbered>(name);
const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({
    _id: from + index,
    text: `t${from + index}`,
  }));

async function expectEqual(): Promise<void> {
  expect((await compareClusters(source.uri, destination.uri)).differences).toEqual([]);
}

/** The next change stream that the engine opens is told that its history is lost. */
async function loseHistory(): Promise<void> {
  await source
    .client()
    .db('admin')
    .command({
      configureFailPoint: 'failCommand',
      mode: { times: 1 },
      data: { failCommands: ['aggregate'], errorCode: 286, appName: 'linkspan-agent' },
    });
}

/** `pause` or `resume`. */
async function control(id: string, verb: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${side.projectId}/liveMigrations/${id}/${verb}`;
  expect((await side.api.post(path)).status).toBe(202);
}

/** Calls `act` the first time that the engine comes by, and holds the engine meanwhile. */
function once(act: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    done = true;
    await act();
  };
}

/** Calls `act` before that step of the first cutover. */
function atStep(step: CutoverStep, act: () => Promise<unknown>) {
  let done = false;
  return async (current: CutoverStep): Promise<void> => {
    if (done || current !== step) return;
    done = true;
    await act();
  };
}

describe('a whole migration', () => {
  it('I2: moves every type, index, option and view, with writes going on', async () => {
    await collection('odd').insertMany(oddDocuments() as never[], { forceServerObjectId: true });
    await collection('numbers').insertMany(numbers(0, 3000));
    await collection('numbers').createIndex({ text: 1 }, { unique: true });
    await collection('numbers').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
    await source.client().db('app').createCollection('seen', { viewOn: 'numbers', pipeline: [] });
    await source.client().db('other').createCollection('empty');
    const id = await side.start();
    const hooks = {
      afterRead: once(async () => {
        await collection('numbers')
          .updateMany({ _id: { $lt: 100 } }, { $set: { text: 'x' } })
          .catch(() => undefined);
        await collection('numbers').deleteMany({ _id: { $gte: 2900 } });
        await collection('numbers').insertMany(numbers(5000, 5100));
        await collection('later').insertMany(numbers(0, 10));
      }),
    };
    const run = await host.run(id, { hooks, options: { copyBatchBytes: 16_384 } });
    const complete = await side.cutOver(id);
    expect(await run.ended).toBeNull();
    expect(complete.verified?.documents).toBeGreaterThan(3000);
    await expectEqual();
  });

  it('D9: copies in several ranges, and each document once', async () => {
    await collection('numbers').insertMany(numbers(0, 4000));
    const id = await side.start();
    await host.run(id, { options: { rangeBytes: 40_000, copyBatchBytes: 8192 } });
    const { progress } = await side.cutOver(id);
    expect(progress?.documentsCopied).toBe(4000);
    await expectEqual();
  });
});

describe('what happens while it runs', () => {
  it('D7: what was read under a name that another collection has now is not pushed', async () => {
    await collection('a').insertMany(numbers(0, 500));
    const id = await side.start();
    const hooks = {
      afterRead: once(async () => {
        await collection('a').rename('b');
        await collection('a').insertMany(numbers(1000, 1100));
      }),
    };
    await host.run(id, { hooks });
    await side.cutOver(id);
    await expectEqual();
  });

  it('D2: a collection dropped and made again in mid-copy is the new one', async () => {
    await collection('a').insertMany(numbers(0, 500));
    const id = await side.start();
    const hooks = {
      afterRead: once(async () => {
        await collection('a').drop();
        await collection('a').insertMany(numbers(200, 210));
      }),
    };
    await host.run(id, { hooks, options: { copyBatchBytes: 4096 } });
    await side.cutOver(id);
    await expectEqual();
    expect(await copied('a').countDocuments()).toBe(10);
  });

  it('D8: a key that was missing when it was read back, and came back, stays', async ({ skip }) => {
    if (!source.capabilities.failCommand) skip('the source has no failCommand');
    await collection('a').insertMany(numbers(0, 10));
    const id = await side.start();
    const first = await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await first.stop();
    // What is at the destination only is marked by the repair, and read back as missing.
    await copied('a').insertMany(numbers(100, 110));
    await loseHistory();
    const hooks = {
      afterRead: once(async () => void (await collection('a').insertMany(numbers(100, 105)))),
    };
    await host.run(id, { hooks });
    await side.cutOver(id);
    await expectEqual();
    expect(await copied('a').countDocuments()).toBe(15);
  });

  it('D15: an _id that is equal but not the same is deleted and inserted', async () => {
    await collection('a').insertMany(numbers(0, 10));
    const id = await side.start();
    await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await collection('a').deleteOne({ _id: 1 });
    await collection('a').insertOne({ _id: new Double(1) as never, text: 'a double' });
    await side.cutOver(id);
    await expectEqual();
  });

  it('D16: renames in a chain, with dropTarget, and a dropped database', async () => {
    for (const name of ['a', 'b', 'c']) await collection(name).insertMany(numbers(0, 50));
    await source.client().db('gone').collection('x').insertOne({ x: 1 });
    const id = await side.start();
    await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await collection('c').rename('d');
    await collection('b').rename('c');
    await collection('a').rename('d', { dropTarget: true });
    await collection('a').insertMany(numbers(70, 80));
    await collection('d').insertOne({ _id: 999 });
    await source.client().db('gone').dropDatabase();
    await side.cutOver(id);
    await expectEqual();
  });

  it('D4, D5: indexes and options changed in the tail are reconciled', async () => {
    await collection('a').insertMany(numbers(0, 50));
    await collection('a').createIndex({ text: 1 });
    const id = await side.start();
    await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await collection('a').dropIndex('text_1');
    await collection('a').createIndex({ text: -1 }, { sparse: true });
    await source
      .client()
      .db('app')
      .command({ collMod: 'a', validator: { text: { $exists: true } } });
    await source.client().db('app').createCollection('v', { viewOn: 'a', pipeline: [] });
    await side.cutOver(id);
    await expectEqual();
  });
});

describe('a source that never rests', () => {
  it.each(['another', 'the same'])(
    'D7: is listed while every listing is met by a drop and a create of %s collection',
    async (which) => {
      await collection('a').insertMany(numbers(0, 50));
      await source.client().db('app').createCollection('v', { viewOn: 'a', pipeline: [] });
      const id = await side.start();
      let listings = 0;
      let isRestless = true;
      const name = (round: number): string => (which === 'another' ? `tmp${round}` : 'tmp');
      const afterSourceListing = async (): Promise<void> => {
        if (!isRestless) return;
        listings += 1;
        await collection(name(listings - 1)).drop();
        await collection(name(listings)).insertOne({ _id: listings });
        await source.client().db(`other${listings}`).collection('x').insertOne({ x: 1 });
        await source.client().db(`other${listings}`).dropDatabase();
      };
      await host.run(id, { hooks: { afterSourceListing } });
      await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING', 20_000);
      isRestless = false;
      expect(listings).toBeLessThan(10);
      await side.cutOver(id);
      await expectEqual();
      expect(await copied(name(listings)).countDocuments()).toBe(1);
    },
  );
});

describe('what breaks', () => {
  it('I3: goes on from its journal, in mid-copy and in mid-tail', async () => {
    await collection('a').insertMany(numbers(0, 2000));
    const id = await side.start();
    const held = Promise.withResolvers<void>();
    let batches = 0;
    const hooks = {
      afterRead: async () => {
        batches += 1;
        if (batches === 3) held.resolve();
        if (batches >= 3) await new Promise(() => undefined);
      },
    };
    const options = { copyBatchBytes: 8192 };
    const first = await host.run(id, { hooks, options });
    await held.promise;
    const stopped = first.stop();
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, 1000))]);
    await collection('a').deleteMany({ _id: { $lt: 50 } });
    const second = await host.run(id, { options });
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await second.stop();
    await collection('a').updateMany({ _id: { $gte: 1900 } }, { $set: { text: 'later' } });
    await collection('b').insertOne({ _id: 1 });
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('D1: history that is lost before and in a pause is repaired after it', async ({ skip }) => {
    if (!source.capabilities.failCommand) skip('the source has no failCommand');
    for (const name of ['a', 'b', 'c']) await collection(name).insertMany(numbers(0, 500));
    const id = await side.start();
    const run = await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await control(id, 'pause');
    expect(await run.ended).toBeInstanceOf(MigrationPausedError);
    await collection('a').updateMany({ _id: { $lt: 10 } }, { $set: { text: 'unseen' } });
    await collection('a').deleteMany({ _id: { $gte: 490 } });
    await collection('b').drop();
    await collection('d').insertMany(numbers(0, 5));
    await loseHistory();
    const tracking = await host.track(id);
    const lost = await side.until(id, 'told', ({ warnings }) => warnings.length > 0);
    expect(lost).toMatchObject({ state: 'PAUSED', lagTimeSeconds: null, readyForCutover: false });
    expect(lost.warnings[0]).toContain('3 collections are being compared in full and repaired');
    await source.client().db('app').renameCollection('c', 'e');
    await collection('e').insertMany(numbers(600, 620));
    await collection('f').insertMany(numbers(0, 5));
    await side.until(id, 'followed', ({ progress }) => (progress?.keysPending ?? 0) >= 25);
    await tracking.stop();
    expect(await copied('e').countDocuments(), 'nothing was pushed').toBe(0);
    await control(id, 'resume');
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('a pause while an index is built ends the run, and a resume builds it', async ({ skip }) => {
    if (!destination.capabilities.failCommand) skip('the destination has no failCommand');
    await collection('a').insertMany(numbers(0, 100));
    await collection('a').createIndex({ text: 1 });
    await destination
      .client()
      .db('admin')
      .command({
        configureFailPoint: 'failCommand',
        mode: { times: 1 },
        data: { failCommands: ['createIndexes'], blockConnection: true, blockTimeMS: 2500 },
      });
    const id = await side.start();
    const run = await host.run(id);
    await side.until(id, 'indexing', ({ progress }) => progress?.phase === 'INDEXING');
    await control(id, 'pause');
    expect(await run.ended).toBeInstanceOf(MigrationPausedError);
    await control(id, 'resume');
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('D1: lost history is repaired, with what it had hidden', async ({ skip }) => {
    if (!source.capabilities.failCommand) skip('the source has no failCommand');
    await collection('a').insertMany(numbers(0, 1000));
    await collection('b').insertMany(numbers(0, 10));
    const id = await side.start();
    const first = await host.run(id);
    await side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await first.stop();
    await collection('a').updateMany({ _id: { $lt: 10 } }, { $set: { text: 'unseen' } });
    await collection('a').deleteMany({ _id: { $gte: 990 } });
    await collection('a').insertMany(numbers(2000, 2020));
    await collection('b').drop();
    await collection('c').insertMany(numbers(0, 5));
    await loseHistory();
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('D11: a collection that was at the destination before ends the migration, by name', async () => {
    await collection('a').insertMany(numbers(0, 10));
    await copied('a').insertOne({ _id: 77 });
    const id = await side.start();
    const run = await host.run(id);
    expect(await run.ended).toBeInstanceOf(MigrationFailedError);
    const { status, failureReason } = await side.describe(id);
    expect(status).toBe('FAILED');
    expect(failureReason).toContain('app.a');
    expect(await copied('a').countDocuments()).toBe(1);
  });

  it('D11: dropDestinationData drops what was there first', async () => {
    await collection('a').insertMany(numbers(0, 10));
    await copied('a').insertOne({ _id: 77 });
    await copied('other').insertOne({ _id: 78 });
    const id = await side.start({ dropDestinationData: true });
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });
});

describe('cutover', () => {
  it('D21, D22: writes after it began fail it; the migration goes on, TTL inert again', async () => {
    await collection('a').insertMany(numbers(0, 100));
    await collection('a').createIndex({ at: 1 }, { expireAfterSeconds: 60 });
    const id = await side.start();
    const hooks = {
      beforeCutoverStep: atStep('LOOK_AGAIN', () => collection('a').insertOne({ _id: 5000 })),
    };
    const run = await host.run(id, { hooks });
    await side.askForCutover(id);
    const failed = await side.until(id, 'failed', ({ cutover }) => cutover.failure !== null);
    expect(failed.status).toBe('WORKING');
    expect(failed.cutover.failure).toContain('was written after the cutover began');
    await expect
      .poll(async () => (await copied('a').indexes()).find(({ name }) => name === 'at_1'), {
        timeout: 10_000,
      })
      .toHaveProperty('expireAfterSeconds', 2_147_483_647);
    await side.askForCutover(id);
    await side.until(id, 'COMPLETE', ({ status }) => status === 'COMPLETE');
    expect(await run.ended).toBeNull();
    await expectEqual();
  });

  it('D22: one that was asked for fails, by name, on what cannot be moved', async ({ skip }) => {
    if (!source.capabilities.failCommand) skip('the source has no failCommand');
    if (!source.capabilities.anyBytes) skip('the source takes nothing that cannot be moved');
    await collection('a').insertMany(numbers(0, 10));
    const id = await side.start();
    const first = await host.run(id);
    await side.until(id, 'ready', ({ readyForCutover }) => readyForCutover);
    await first.stop();
    await side.askForCutover(id);
    // A date that JavaScript has not, and that no listing could give on as it is.
    const far = Object.assign(new Date(0), { getTime: () => 9_000_000_000_000_000 });
    await source
      .client()
      .db('app')
      .createCollection('odd', { validator: { at: { $lt: far } } });
    await loseHistory();
    await host.run(id);
    const { cutover } = await side.until(id, 'failed', (m) => m.cutover.failure !== null);
    expect(cutover.failure).toContain('app.odd cannot be migrated');
    await collection('odd').drop();
    await side.cutOver(id);
    await expectEqual();
  });

  it('D22: a unique index that cannot be built fails it with the reason, and the next one builds it', async ({
    skip,
  }) => {
    if (!destination.capabilities.failCommand) skip('the destination has no failCommand');
    await collection('a').insertMany(numbers(0, 10));
    await collection('a').createIndex({ text: 1 }, { unique: true });
    const id = await side.start();
    const cannotCreateIndex = { failCommands: ['createIndexes'], errorCode: 67 };
    const refuse = once(() => failCommands(destination, cannotCreateIndex));
    const beforeCutoverStep = async (step: string): Promise<void> => {
      if (step === 'UNIQUE_INDEXES') await refuse();
    };
    await host.run(id, { hooks: { beforeCutoverStep } });
    await side.askForCutover(id);
    const { status, cutover } = await side.until(id, 'failed', (m) => m.cutover.failure !== null);
    expect(status).toBe('WORKING');
    expect(cutover.failure).toContain('app.a: build the indexes text_1');
    await healCommands(destination);
    await side.cutOver(id);
    await expectEqual();
  });
});
