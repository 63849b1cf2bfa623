import { setTimeout as delay } from 'node:timers/promises';
import type { ClientSession } from 'mongodb';
import type { Random } from '../random.ts';
import { document } from './documents.ts';
import { type Feature, key, type Source } from './feature.ts';
import { COLLECTIONS, DATABASES } from './names.ts';

const TRANSACTION = { writeConcern: { w: 'majority', journal: true } } as const;

async function write(source: Source, random: Random, session: ClientSession): Promise<void> {
  const count = random.between(2, 8);
  for (let step = 0; step < count; step += 1) {
    const collection = source.collection(random.pick(DATABASES), random.pick(COLLECTIONS));
    const _id = key(random.between(0, 399));
    if (random.chance(0.3)) await collection.deleteOne({ _id }, { session });
    else if (random.chance(0.5))
      await collection.updateOne({ _id }, { $inc: { n: 1 } }, { session });
    else {
      const { _id: _, ...rest } = document(_id, random);
      await collection.replaceOne({ _id }, rest, { session, upsert: true });
    }
  }
}

async function transact(
  source: Source,
  random: Random,
  end: 'commit' | 'abort',
  heldMs = 0,
): Promise<void> {
  const session = source.client.startSession();
  try {
    session.startTransaction(TRANSACTION);
    await write(source, random, session);
    if (heldMs > 0) await delay(heldMs);
    if (end === 'commit') await session.commitTransaction();
    else await session.abortTransaction();
  } finally {
    await session.endSession();
  }
}

/** Several documents at one time, of which only what was committed may be seen. */
export const transactions: Feature = {
  name: 'transactions',
  operations: [
    {
      kind: 'transaction committed',
      weight: 3,
      run: (source, random) => transact(source, random, 'commit'),
    },
    {
      kind: 'transaction aborted',
      weight: 2,
      run: (source, random) => transact(source, random, 'abort'),
    },
    {
      kind: 'transaction long',
      weight: 1,
      run: (source, random) => transact(source, random, 'commit', random.between(200, 1500)),
    },
  ],
};
