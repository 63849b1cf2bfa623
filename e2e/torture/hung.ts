import type { LinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Figures } from './figures.ts';

/** It drops an index entry by entry, and nothing else gets on meanwhile: that alone may take many seconds. */
const PATIENCE_MS = 60_000;
const SIDES = ['source', 'destination'] as const;
type Side = (typeof SIDES)[number];

/**
 * SecantusDB may come to a standstill: it answers pings and nothing else, as a write of its own waits under
 * a lock for a transaction that waits for that lock.
 * @returns the sides of which that is so
 */
export async function findHung(pair: LinkedPair): Promise<readonly Side[]> {
  const hung: Side[] = [];
  for (const side of SIDES) {
    if (pair[side].capabilities.control && !(await answers(pair[side]))) hung.push(side);
  }
  return hung;
}

/**
 * As whoever runs a database would, kills those that do not answer and starts them again. That counts as a
 * fault: not even an `fsync` came before.
 */
export async function revive(
  pair: LinkedPair,
  figures: Figures,
  hung: readonly Side[],
): Promise<void> {
  for (const side of hung) {
    await pair[side].restart();
    figures.fault(`hung by itself, killed and started again: ${side}`);
  }
}

async function answers({ uri }: MongoDB): Promise<boolean> {
  await using client = new MongoClient(uri, {
    appName: 'torture',
    retryWrites: false,
    serverSelectionTimeoutMS: PATIENCE_MS,
    socketTimeoutMS: PATIENCE_MS,
  });
  try {
    await client.db('admin').command({ currentOp: 1, $all: true });
    await client.db('app').collection('users').findOne();
    return true;
  } catch (error) {
    // One that refuses, as after a stepdown, does answer.
    return error instanceof MongoServerError;
  }
}
