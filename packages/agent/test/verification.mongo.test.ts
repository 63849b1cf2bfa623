import { setTimeout } from 'node:timers/promises';
import { migrationRequest } from '@linkspan/testkit/migrationCalls.ts';
import { oddDocuments } from '@linkspan/testkit/values.ts';
import { type Document, Double, Int32 } from 'mongodb';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import { describe, expect, it } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { pair, withPair } from './support/enginePair.ts';

withPair();

interface Numbered extends Document {
  _id: number;
}

interface Named extends Document {
  _id: string;
}

async function reportOf(id: string): Promise<Verification> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
  return (await pair.side.api.get(`${path}/verification`)).body as Verification;
}

async function ask(id: string, verb: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
  expect((await pair.side.api.post(`${path}/${verb}`)).status).toBe(202);
}

const complete = async (id: string): Promise<void> => {
  await expect.poll(async () => (await reportOf(id)).complete, { timeout: 30_000 }).toBe(true);
};

const here = (name: string) => pair.app.collection<Numbered>(name);
const there = (name: string) => pair.copy.collection<Numbered>(name);
const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({
    _id: from + index,
    text: `t${from + index}`,
  }));

/** Calls `act` before anything is compared, and holds the engine meanwhile. */
function beforeVerifying(act: () => Promise<unknown>): EngineHooks {
  let acted: Promise<unknown> | null = null;
  return {
    beforeVerifying: async () => {
      acted ??= act();
      await acted;
    },
  };
}

describe('differences planted at the destination', () => {
  it('D19: a flipped byte, a missing and an extra document are found and repaired, wherever they lie', async () => {
    await here('a').insertMany(numbers(0, 5000));
    await here('odd').insertMany(oddDocuments() as never[], { forceServerObjectId: true });
    const plant = async (): Promise<void> => {
      // In the first, a middle and the last chunk, and behind all that the source has.
      await there('a').deleteMany({ _id: { $in: [0, 2500, 4999] } });
      await there('a').updateMany({ _id: { $in: [7, 1999, 4998] } }, { $set: { text: 'flipped' } });
      await there('a').insertMany([{ _id: -1 }, { _id: 2500.5 }, { _id: 5000 }]);
      // One type of number for another changes the bytes and not the value.
      const odd = pair.copy.collection<{ _id: unknown }>('odd');
      await odd.updateOne({ _id: null } as never, { $set: { int32: new Double(1) } } as never);
      await odd.deleteOne({ _id: '' as never });
      await odd.deleteOne({ _id: { nested: { $id: 1 } } });
      await odd.deleteOne({ _id: new Int32(1) });
      await odd.insertMany([{ _id: new Double(1) }, { _id: new Date(77) }]);
    };
    const id = await pair.side.start();
    await pair.run(id, { hooks: beforeVerifying(plant) });
    await pair.side.cutOver(id);
    await pair.expectEqual();
    const report = await reportOf(id);
    // Of the pair that is equal and not the same, both bytes are one key.
    expect(report).toMatchObject({
      complete: true,
      collectionsTotal: 2,
      collectionsVerified: 2,
      differencesFound: 14,
      differencesRepaired: 14,
    });
    expect(report.documentsVerified).toBe(5000 + oddDocuments().length);
    expect(report.collections).toMatchObject([
      { coll: 'a', differencesFound: 9 },
      { coll: 'odd', differencesFound: 5 },
    ]);
  });

  it('D19: a verification that is asked for finds what was planted since; so does a full one at the cutover', async () => {
    await here('a').insertMany(numbers(0, 1500));
    const { _id: id } = (
      await pair.side.api.post(`/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations`, {
        body: { ...migrationRequest(pair.side.projectId), verification: 'FULL' },
      })
    ).body as { _id: string };
    await pair.run(id);
    await complete(id);
    const { begun: first } = await reportOf(id);
    await ask(id, 'verify');
    await expect.poll(async () => (await reportOf(id)).begun, { timeout: 30_000 }).not.toBe(first);
    await expect.poll(async () => (await reportOf(id)).ended, { timeout: 30_000 }).not.toBeNull();
    const { begun } = await reportOf(id);
    await there('a').deleteOne({ _id: 700 });
    await ask(id, 'verify');
    await expect.poll(async () => (await reportOf(id)).begun, { timeout: 30_000 }).not.toBe(begun);
    await complete(id);
    expect(await reportOf(id)).toMatchObject({ differencesFound: 1, differencesRepaired: 1 });
    await there('a').updateOne({ _id: 3 }, { $set: { text: 'flipped' } });
    await pair.side.cutOver(id);
    const report = await reportOf(id);
    expect(report).toMatchObject({ complete: true, differencesFound: 1 });
    expect(report.ended).not.toBeNull();
    await pair.expectEqual();
  });

  it('D1: a repair that is asked for compares everything, and offers no cutover before it is done', async () => {
    await here('a').insertMany(numbers(0, 500));
    const id = await pair.side.start();
    const held = Promise.withResolvers<void>();
    let isHeld = false;
    const hooks: EngineHooks = {
      beforeVerifying: async () => {
        if (isHeld) await held.promise;
      },
    };
    await pair.run(id, { hooks });
    await complete(id);
    isHeld = true;
    await there('a').deleteMany({ _id: { $lt: 3 } });
    await ask(id, 'repair');
    const told = await pair.side.until(id, 'told', ({ warnings }) => warnings.length > 0);
    expect(told.warnings[0]).toContain('As it was asked for: 1 collections are being compared');
    expect(told.readyForCutover).toBe(false);
    held.resolve();
    await pair.side.cutOver(id);
    await pair.expectEqual();
    expect(await reportOf(id)).toMatchObject({ repair: 'REQUESTED', differencesRepaired: 3 });
  });

  it('D17: what differs again and again is named and fails the cutover', async () => {
    await here('a').insertMany(numbers(0, 50));
    const id = await pair.side.start();
    let isSpoiling = true;
    const hooks: EngineHooks = {
      beforeVerifying: async () => void (isSpoiling && (await there('a').deleteOne({ _id: 7 }))),
    };
    await pair.run(id, { hooks });
    const { warnings } = await pair.side.until(id, 'told', (m) => m.warnings.length > 0);
    expect(warnings[0]).toMatch(/1 documents still differ .*app\.a, _id 7/);
    await pair.side.askForCutover(id);
    const { cutover } = await pair.side.until(id, 'failed', (m) => m.cutover.failure !== null);
    expect(cutover.failure).toContain('app.a, _id 7');
    isSpoiling = false;
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D19, Hazard 4: in a collated collection, too', async () => {
    const options = { collation: { locale: 'en', strength: 2 } };
    await pair.app.createCollection('a', options);
    const letters = Array.from('abcdefgh', (_id) => ({ _id, text: 'x' }));
    await pair.app.collection<Named>('a').insertMany(letters);
    const copied = pair.copy.collection<Named>('a');
    const plant = async (): Promise<void> => {
      await copied.deleteOne({ _id: 'b' });
      await copied.insertOne({ _id: 'B', text: 'x' });
      await copied.deleteOne({ _id: 'd' });
      await copied.updateOne({ _id: 'h' }, { $set: { text: 'X' } });
      await copied.insertOne({ _id: 'Z', text: 'extra' });
    };
    const id = await pair.side.start();
    await pair.run(id, { hooks: beforeVerifying(plant) });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});

describe('a source that is written while it is verified', () => {
  it('D19: what changes between the reads of the two sides is compared again, and is no difference', async () => {
    await here('a').insertMany(numbers(0, 3000));
    const id = await pair.side.start();
    let walks = 0;
    let written = 0;
    const change = async (): Promise<void> => {
      walks += 1;
      // Walks, and comparisons by key, may be under way at once.
      const walk = walks;
      if (walk > 3) return;
      await here('a').updateMany({ _id: { $lt: 20 } }, { $set: { text: `changed ${walk}` } });
      await here('a').deleteMany({ _id: { $gte: 2990 } });
      await here('a').insertMany(numbers(2985 - walk * 5000, 2990 - walk * 5000));
      written += 1;
    };
    const hooks: EngineHooks = {
      beforeVerifying: change,
      afterRead: async (what) => {
        if (what === 'verify') await change();
      },
    };
    await pair.run(id, { hooks });
    // No write is left for the cutover, which would fail on it.
    await expect.poll(() => written, { timeout: 60_000 }).toBe(3);
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });

  it('D7, D19: a collection that is renamed while it is verified is verified under its new name', async () => {
    await here('a').insertMany(numbers(0, 2500));
    const id = await pair.side.start();
    const rename = async (): Promise<void> => {
      await there('a').deleteOne({ _id: 2400 });
      await here('a').rename('b');
      await here('a').insertMany(numbers(0, 10));
    };
    await pair.run(id, { hooks: beforeVerifying(rename) });
    await pair.side.cutOver(id);
    await pair.expectEqual();
  });
});

describe('a collection that never stands still', () => {
  it('D19, I6: is repaired and verified while it is written, walked again with pauses, and cut over', async () => {
    await here('hot').insertMany(numbers(0, 400));
    const told: string[] = [];
    const say = (_fields: object, message: string): void => void told.push(message);
    const log = { debug: say, info: say, warn: say, error: say };
    const options = { pushedKeysAtMost: 20, countKeysMs: 20, verifyChunk: 100 };
    const { id } = await pair.tailing({ options, log });
    // All of it again as soon as all of it was pushed: no faster than the stream can be read.
    let isWritten = true;
    let pauseMs = 0;
    const writing = (async () => {
      for (let n = 0; isWritten; n += 1) {
        await here('hot').updateMany({}, { $set: { n } });
        while (isWritten && (await there('hot').countDocuments({ n })) < 400) await setTimeout(20);
        await setTimeout(pauseMs);
      }
    })();
    try {
      await there('hot').insertOne({ _id: -1 });
      await ask(id, 'repair');
      const repaired = async (): Promise<boolean> => told.includes('collection repaired');
      await expect.poll(repaired, { timeout: 150_000 }).toBe(true);
      const again = async (): Promise<boolean> =>
        told.some((message) => message.startsWith('changes come faster'));
      await expect.poll(again, { timeout: 150_000 }).toBe(true);
      // Without a pause it ends, too, by a walk that happens to keep up: nobody knows when.
      pauseMs = 500;
      const ended = async () => (await reportOf(id)).ended;
      await expect.poll(ended, { timeout: 150_000 }).not.toBeNull();
    } finally {
      isWritten = false;
      await writing;
    }
    await pair.side.cutOver(id);
    expect(await reportOf(id)).toMatchObject({ differencesFound: 1, differencesRepaired: 1 });
    await pair.expectEqual();
  }, 600_000);
});

describe('a crash while a collection is verified', () => {
  it('I3: the verification goes on where it stopped', async () => {
    await here('a').insertMany(numbers(0, 2000));
    const id = await pair.side.start();
    const held = Promise.withResolvers<void>();
    const options = { verifyChunk: 50 };
    let chunks = 0;
    const hooks: EngineHooks = {
      afterRead: async (what) => {
        if (what !== 'verify') return;
        chunks += 1;
        if (chunks < 25) return;
        held.resolve();
        await new Promise(() => undefined);
      },
    };
    const first = await pair.run(id, { hooks, options });
    await held.promise;
    void first.stop();
    await there('a').deleteOne({ _id: 1900 });
    // What is before the place where it stopped is not read again: a cutover takes it for compared.
    await there('a').updateOne({ _id: 3 }, { $set: { text: 'unseen' } });
    await pair.run(id);
    await pair.side.cutOver(id);
    expect(await there('a').countDocuments()).toBe(2000);
    expect(await there('a').findOne({ _id: 3 })).toMatchObject({ text: 'unseen' });
  });
});
