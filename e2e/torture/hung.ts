import type { LinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Figures } from './figures.ts';
import { DURABLE } from './workload/feature.ts';

/** It drops an index entry by entry, and nothing else gets on meanwhile: that alone may take many seconds. */
const PATIENCE_MS = 60_000;
const SIDES = ['source', 'destination'] as const;
type Side = (typeof SIDES)[number];

/**
 * SecantusDB may come to a standstill: it answers pings and nothing else. As whoever runs a database would,
 * kills one that does not answer and starts it again; that counts as a fault.
 * @param mayWrite to the source; not in a cutover
 * @returns those that were killed: not even an `fsync` came before
 */
export async function reviveHung(
  pair: LinkedPair,
  figures: Figures,
  mayWrite: boolean,
): Promise<readonly Side[]> {
  const revived: Side[] = [];
  for (const side of SIDES) {
    const mongodb = pair[side];
    if (!mongodb.capabilities.control || (await answers(mongodb, mayWrite && side === 'source')))
      continue;
    await mongodb.restart();
    figures.fault(`hung by itself, killed and started again: ${side}`);
    revived.push(side);
  }
  return revived;
}

async function answers({ uri }: MongoDB, mayWrite: boolean): Promise<boolean> {
  await using client = new MongoClient(uri, {
    appName: 'torture',
    retryWrites: false,
    serverSelectionTimeoutMS: PATIENCE_MS,
    socketTimeoutMS: PATIENCE_MS,
  });
  try {
    await client.db('admin').command({ currentOp: 1, $all: true });
    const looked = client.db('app').collection<{ _id: number; looked: number }>('looked');
    const update = { $inc: { looked: 1 } };
    if (mayWrite) await looked.updateOne({ _id: 0 }, update, { upsert: true, ...DURABLE });
    return true;
  } catch (error) {
    // One that refuses, as after a stepdown, does answer.
    return error instanceof MongoServerError;
  }
}
