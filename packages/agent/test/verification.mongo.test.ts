import { oddDocuments } from '@linkspan/testkit/values.ts';
import { type Document, Double, Int32 } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { EnginePair } from './support/enginePair.ts';

let pair: EnginePair;

interface Numbered extends Document {
  _id: number;
}

interface Named extends Document {
  _id: string;
}

beforeAll(async () => {
  pair = await EnginePair.start();
});

afterAll(async () => {
  await pair[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await pair.reset();
});

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
    const change = async (): Promise<void> => {
      walks += 1;
      if (walks > 3) return;
      await here('a').updateMany({ _id: { $lt: 20 } }, { $set: { text: `changed ${walks}` } });
      await here('a').deleteMany({ _id: { $gte: 2990 } });
      await here('a').insertMany(numbers(2985 - walks * 5000, 2990 - walks * 5000));
    };
    const hooks: EngineHooks = {
      beforeVerifying: change,
      afterRead: async (what) => {
        if (what === 'verify') await change();
      },
    };
    await pair.run(id, { hooks });
    await pair.side.cutOver(id);
    expect(walks).toBeGreaterThan(3);
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
