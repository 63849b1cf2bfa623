import { Double } from 'mongodb';
import { failCommands, healCommands } from '@linkspan/testkit/failPoints.ts';
import { oddDocuments } from '@linkspan/testkit/values.ts';
import { describe, expect, it } from 'vitest';
import { type CutoverStep, MigrationFailedError } from '../src/migration/context.ts';
import { MigrationPausedError } from '../src/push/errors.ts';
import { here, type Numbered, once, pair, there, withPair } from './support/enginePair.ts';

withPair();

const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({
    _id: from + index,
    text: `t${from + index}`,
  }));

/** `pause` or `resume`. */
async function control(id: string, verb: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}/${verb}`;
  expect((await pair.side.api.post(path)).status).toBe(202);
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
    await here('odd').insertMany(oddDocuments() as never[], { forceServerObjectId: true });
    await here('numbers').insertMany(numbers(0, 3000));
    await here('numbers').createIndex({ text: 1 }, { unique: true });
    await here('numbers').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
    await pair.app.createCollection('seen', { viewOn: 'numbers', pipeline: [] });
    await pair.source.client().db('other').createCollection('empty');
    const id = await pair.side.start();
    const hooks = {
      afterRead: once(async () => {
        await here('numbers')
          .updateMany({ _id: { $lt: 100 } }, { $set: { text: 'x' } })
          .catch(() => undefined);
        await here('numbers').deleteMany({ _id: { $gte: 2900 } });
        await here('numbers').insertMany(numbers(5000, 5100));
        await here('later').insertMany(numbers(0, 10));
      }),
    };
    const run = await pair.run(id, { hooks, options: { copyBatchBytes: 16_384 } });
    const complete = await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    expect(complete.verified?.documents).toBeGreaterThan(3000);
    await pair.expectEqual();
  });

  it('D9: copies in several ranges, and each document once', async () => {
    await here('numbers').insertMany(numbers(0, 4000));
    const id = await pair.side.start();
    await pair.run(id, { options: { rangeBytes: 40_000, copyBatchBytes: 8192 } });
    const { progress } = await pair.side.cutOver(id);
    expect(progress?.documentsCopied).toBe(4000);
    await pair.expectEqual();
  });
});

describe('what happens while it runs', () => {
  it('D7: what was read under a name that another collection has now is not pushed', async () => {
    await here('a').insertMany(numbers(0, 500));
    const id = await pair.side.start();
    const hooks = {
      afterRead: once(async () => {
        await here('a').rename('b');
        await here('a').insertMany(numbers(1000, 1100));
      }),
    };
    await pair.run(id, { hooks });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D2: a collection dropped and made again in mid-copy is the new one', async () => {
    await here('a').insertMany(numbers(0, 500));
    const id = await pair.side.start();
    const hooks = {
      afterRead: once(async () => {
        await here('a').drop();
        await here('a').insertMany(numbers(200, 210));
      }),
    };
    await pair.run(id, { hooks, options: { copyBatchBytes: 4096 } });
    await pair.side.cutOver(id);
    await pair.expectEqual();
    expect(await there('a').countDocuments()).toBe(10);
  });

  it('D8: a key that was missing when it was read back, and came back, stays', async ({ skip }) => {
    if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
    await here('a').insertMany(numbers(0, 10));
    const { id, run: first } = await pair.tailing();
    await first.stop();
    // What is at the destination only is marked by the repair, and read back as missing.
    await there('a').insertMany(numbers(100, 110));
    await pair.loseHistory();
    const hooks = {
      afterRead: once(async () => void (await here('a').insertMany(numbers(100, 105)))),
    };
    await pair.run(id, { hooks });
    await pair.side.cutOver(id);
    await pair.expectEqual();
    expect(await there('a').countDocuments()).toBe(15);
  });

  it('D15: an _id that is equal but not the same is deleted and inserted', async () => {
    await here('a').insertMany(numbers(0, 10));
    const { id } = await pair.tailing();
    await here('a').deleteOne({ _id: 1 });
    await here('a').insertOne({ _id: new Double(1) as never, text: 'a double' });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D16: renames in a chain, with dropTarget, and a dropped database', async () => {
    for (const name of ['a', 'b', 'c']) await here(name).insertMany(numbers(0, 50));
    await pair.source.client().db('gone').collection('x').insertOne({ x: 1 });
    const { id } = await pair.tailing();
    await here('c').rename('d');
    await here('b').rename('c');
    await here('a').rename('d', { dropTarget: true });
    await here('a').insertMany(numbers(70, 80));
    await here('d').insertOne({ _id: 999 });
    await pair.source.client().db('gone').dropDatabase();
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D4, D5: indexes and options changed in the tail are reconciled', async () => {
    await here('a').insertMany(numbers(0, 50));
    await here('a').createIndex({ text: 1 });
    const { id } = await pair.tailing();
    await here('a').dropIndex('text_1');
    await here('a').createIndex({ text: -1 }, { sparse: true });
    await pair.app.command({ collMod: 'a', validator: { text: { $exists: true } } });
    await pair.app.createCollection('v', { viewOn: 'a', pipeline: [] });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});

describe('a source that never rests', () => {
  it.each(['another', 'the same'])(
    'D7: is listed while every listing is met by a drop and a create of %s collection',
    async (which) => {
      await here('a').insertMany(numbers(0, 50));
      await pair.app.createCollection('v', { viewOn: 'a', pipeline: [] });
      const id = await pair.side.start();
      let listings = 0;
      let isRestless = true;
      const name = (round: number): string => (which === 'another' ? `tmp${round}` : 'tmp');
      const afterSourceListing = async (): Promise<void> => {
        if (!isRestless) return;
        listings += 1;
        await here(name(listings - 1)).drop();
        await here(name(listings)).insertOne({ _id: listings });
        await pair.source.client().db(`other${listings}`).collection('x').insertOne({ x: 1 });
        await pair.source.client().db(`other${listings}`).dropDatabase();
      };
      await pair.run(id, { hooks: { afterSourceListing } });
      await pair.side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING', 60_000);
      isRestless = false;
      expect(listings).toBeLessThan(10);
      await pair.side.cutOver(id);
      await pair.expectEqual();
      expect(await there(name(listings)).countDocuments()).toBe(1);
    },
  );
});

describe('what breaks', () => {
  it('I3: goes on from its journal, in mid-copy and in mid-tail', async () => {
    await here('a').insertMany(numbers(0, 2000));
    const id = await pair.side.start();
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
    const first = await pair.run(id, { hooks, options });
    await held.promise;
    const stopped = first.stop();
    await Promise.race([stopped, new Promise((resolve) => setTimeout(resolve, 1000))]);
    await here('a').deleteMany({ _id: { $lt: 50 } });
    const second = await pair.run(id, { options });
    await pair.side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    await second.stop();
    await here('a').updateMany({ _id: { $gte: 1900 } }, { $set: { text: 'later' } });
    await here('b').insertOne({ _id: 1 });
    await pair.run(id);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D1: history that is lost before and in a pause is repaired after it', async ({ skip }) => {
    if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
    for (const name of ['a', 'b', 'c']) await here(name).insertMany(numbers(0, 500));
    const { id, run } = await pair.tailing();
    await control(id, 'pause');
    expect(await run.ended).toBeInstanceOf(MigrationPausedError);
    await here('a').updateMany({ _id: { $lt: 10 } }, { $set: { text: 'unseen' } });
    await here('a').deleteMany({ _id: { $gte: 490 } });
    await here('b').drop();
    await here('d').insertMany(numbers(0, 5));
    await pair.loseHistory();
    const tracking = await pair.host.track(id);
    const lost = await pair.side.until(id, 'told', ({ warnings }) => warnings.length > 0);
    expect(lost).toMatchObject({ state: 'PAUSED', lagTimeSeconds: null, readyForCutover: false });
    expect(lost.warnings[0]).toContain('3 collections are being compared in full and repaired');
    await pair.app.renameCollection('c', 'e');
    await here('e').insertMany(numbers(600, 620));
    await here('f').insertMany(numbers(0, 5));
    await pair.side.until(id, 'followed', ({ progress }) => (progress?.keysPending ?? 0) >= 25);
    await tracking.stop();
    expect(await there('e').countDocuments(), 'nothing was pushed').toBe(0);
    await control(id, 'resume');
    await pair.run(id);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('a pause while an index is built ends the run, and a resume builds it', async ({ skip }) => {
    if (!pair.destination.capabilities.failCommand) skip('the destination has no failCommand');
    await here('a').insertMany(numbers(0, 100));
    await here('a').createIndex({ text: 1 });
    await pair.destination
      .client()
      .db('admin')
      .command({
        configureFailPoint: 'failCommand',
        mode: { times: 1 },
        data: { failCommands: ['createIndexes'], blockConnection: true, blockTimeMS: 2500 },
      });
    const id = await pair.side.start();
    const run = await pair.run(id);
    await pair.side.until(id, 'indexing', ({ progress }) => progress?.phase === 'INDEXING');
    await control(id, 'pause');
    expect(await run.ended).toBeInstanceOf(MigrationPausedError);
    await control(id, 'resume');
    await pair.run(id);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D1: lost history is repaired, with what it had hidden', async ({ skip }) => {
    if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
    await here('a').insertMany(numbers(0, 1000));
    await here('b').insertMany(numbers(0, 10));
    const { id, run: first } = await pair.tailing();
    await first.stop();
    await here('a').updateMany({ _id: { $lt: 10 } }, { $set: { text: 'unseen' } });
    await here('a').deleteMany({ _id: { $gte: 990 } });
    await here('a').insertMany(numbers(2000, 2020));
    await here('b').drop();
    await here('c').insertMany(numbers(0, 5));
    await pair.loseHistory();
    await pair.run(id);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D11: a collection that was at the destination before ends the migration, by name', async () => {
    await here('a').insertMany(numbers(0, 10));
    await there('a').insertOne({ _id: 77 });
    const id = await pair.side.start();
    const run = await pair.run(id);
    expect(await run.ended).toBeInstanceOf(MigrationFailedError);
    const { status, failureReason } = await pair.side.describe(id);
    expect(status).toBe('FAILED');
    expect(failureReason).toContain('app.a');
    expect(await there('a').countDocuments()).toBe(1);
  });

  it('D11: dropDestinationData drops what was there first', async () => {
    await here('a').insertMany(numbers(0, 10));
    await there('a').insertOne({ _id: 77 });
    await there('other').insertOne({ _id: 78 });
    const id = await pair.side.start({ dropDestinationData: true });
    await pair.run(id);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});

describe('cutover', () => {
  it('D21, D22: writes after it began fail it; the migration goes on, TTL inert again', async () => {
    await here('a').insertMany(numbers(0, 100));
    await here('a').createIndex({ at: 1 }, { expireAfterSeconds: 60 });
    const id = await pair.side.start();
    const hooks = {
      beforeCutoverStep: atStep('LOOK_AGAIN', () => here('a').insertOne({ _id: 5000 })),
    };
    const run = await pair.run(id, { hooks });
    await pair.side.askForCutover(id);
    const failed = await pair.side.until(id, 'failed', ({ cutover }) => cutover.failure !== null);
    expect(failed.status).toBe('WORKING');
    expect(failed.cutover.failure).toContain('was written after the cutover began');
    await expect
      .poll(async () => (await there('a').indexes()).find(({ name }) => name === 'at_1'), {
        timeout: 10_000,
      })
      .toHaveProperty('expireAfterSeconds', 2_147_483_647);
    await pair.side.askForCutover(id);
    await pair.side.until(id, 'COMPLETE', ({ status }) => status === 'COMPLETE');
    expect(await run.ended).toBeNull();
    await pair.expectEqual();
  });

  it('D22: one that was asked for fails, by name, on what cannot be moved', async ({ skip }) => {
    if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
    if (!pair.source.capabilities.anyBytes) skip('the source takes nothing that cannot be moved');
    await here('a').insertMany(numbers(0, 10));
    const id = await pair.side.start();
    const first = await pair.run(id);
    await pair.side.until(id, 'ready', ({ readyForCutover }) => readyForCutover);
    await first.stop();
    await pair.side.askForCutover(id);
    // A date that JavaScript has not, and that no listing could give on as it is.
    const far = Object.assign(new Date(0), { getTime: () => 9_000_000_000_000_000 });
    await pair.app.createCollection('odd', { validator: { at: { $lt: far } } });
    await pair.loseHistory();
    await pair.run(id);
    const { cutover } = await pair.side.until(id, 'failed', (m) => m.cutover.failure !== null);
    expect(cutover.failure).toContain('app.odd cannot be migrated');
    await here('odd').drop();
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D22: a unique index that cannot be built fails it with the reason, and the next one builds it', async ({
    skip,
  }) => {
    if (!pair.destination.capabilities.failCommand) skip('the destination has no failCommand');
    await here('a').insertMany(numbers(0, 10));
    await here('a').createIndex({ text: 1 }, { unique: true });
    const id = await pair.side.start();
    const cannotCreateIndex = { failCommands: ['createIndexes'], errorCode: 67 };
    const refuse = once(() => failCommands(pair.destination, cannotCreateIndex));
    const beforeCutoverStep = async (step: string): Promise<void> => {
      if (step === 'UNIQUE_INDEXES') await refuse();
    };
    await pair.run(id, { hooks: { beforeCutoverStep } });
    await pair.side.askForCutover(id);
    const { status, cutover } = await pair.side.until(
      id,
      'failed',
      (m) => m.cutover.failure !== null,
    );
    expect(status).toBe('WORKING');
    expect(cutover.failure).toContain('app.a: build the indexes text_1');
    await healCommands(pair.destination);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});
