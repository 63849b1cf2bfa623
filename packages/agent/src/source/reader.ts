import type { Document } from 'mongodb';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { isExact, keyForCommand } from '@linkspan/contract/bson/ordered.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { timestampOf } from './changeStream.ts';
import type { SourceConnection } from './connection.ts';
import { type ReadBatch, readCommand } from './cursor.ts';
import { cutBySize } from './cutBySize.ts';

/** Bounds in the order of the `_id` index, over values of every type (rule D9): raw keys. */
export interface KeyRange {
  /** Inclusive; null: from the first. */
  readonly lower: Buffer | null;
  /** Exclusive; null: to the last. */
  readonly upper: Buffer | null;
}

/**
 * Reads a range in the order of `_id`, in replies of up to `batchSize()` documents (a reply of a
 * server is never much larger than 16 MB). Majority reads no older than `after` (rule D6).
 * @throws the driver's errors, for instance when the collection was dropped: go on from the last key
 */
export async function* readRange(
  source: SourceConnection,
  namespace: Namespace,
  range: KeyRange,
  after: ClusterTime,
  batchSize: () => number,
): AsyncGenerator<ReadBatch, void> {
  const command = {
    find: namespace.coll,
    filter: {},
    sort: { _id: 1 },
    hint: { _id: 1 },
    ...(range.lower && { min: keyForCommand(range.lower) }),
    ...(range.upper && { max: keyForCommand(range.upper) }),
    readConcern: majorityAfter(after),
    batchSize: batchSize(),
  };
  yield* readCommand(source, namespace.db, command, batchSize);
}

/**
 * Reads a whole collection in its natural order. There is no place to go on from: whoever loses the
 * cursor, also because a capped collection has evicted what it stood on, begins again.
 */
export async function* readInOrder(
  source: SourceConnection,
  { db, coll }: Namespace,
  after: ClusterTime,
  batchSize: () => number,
): AsyncGenerator<ReadBatch, void> {
  const command = {
    find: coll,
    filter: {},
    sort: { $natural: 1 },
    readConcern: majorityAfter(after),
    batchSize: batchSize(),
  };
  yield* readCommand(source, db, command, batchSize);
}

/** A command has 16 MiB, and keys may have nearly as much each. */
export const KEY_BYTES_AT_ONCE = 8 * 1024 * 1024;
const WALK_BATCH = 1000;

/**
 * Reads the documents of these keys as they are no earlier than `after`; what is not returned was
 * not there. Values of `_id`, not whole document keys: on a replica set `_id` is the whole key.
 * Keys that no command can name cost a walk through the collection.
 */
export async function* readBack(
  source: SourceConnection,
  namespace: Namespace,
  keys: readonly Buffer[],
  after: ClusterTime,
): AsyncGenerator<ReadBatch, void> {
  const unnamed = keys.filter((key) => !isExact(key));
  const named = unnamed.length === 0 ? keys : keys.filter(isExact);
  for (const some of cutBySize(named, KEY_BYTES_AT_ONCE)) {
    const command = {
      find: namespace.coll,
      filter: { _id: { $in: some.map((key) => keyForCommand(key)._id) } },
      readConcern: majorityAfter(after),
      batchSize: some.length,
    };
    yield* readCommand(source, namespace.db, command, () => some.length);
  }
  if (unnamed.length > 0) yield* walkFor(source, namespace, unnamed, after);
}

async function* walkFor(
  source: SourceConnection,
  namespace: Namespace,
  keys: readonly Buffer[],
  after: ClusterTime,
): AsyncGenerator<ReadBatch, void> {
  const wanted = new Set(keys.map((key) => comparableKey(key).toString('latin1')));
  const isWanted = (document: Buffer): boolean =>
    wanted.has(comparableKey(keyOf(document)).toString('latin1'));
  const whole = { lower: null, upper: null };
  for await (const batch of readRange(source, namespace, whole, after, () => WALK_BATCH)) {
    yield { ...batch, documents: batch.documents.filter(isWanted) };
  }
}

/** D6: committed by a majority, and no older than what the read is made for. */
export function majorityAfter(time: ClusterTime): Document {
  return { level: 'majority', ...(time > 0n && { afterClusterTime: timestampOf(time) }) };
}

/** A time no earlier than everything the primary has acknowledged to anyone so far (rule D21). */
export async function linearizableTime(source: SourceConnection): Promise<ClusterTime> {
  // The collection need not exist: what counts is that the primary confirms with a majority that it
  // is still the primary before it answers.
  const { time } = await source.run('admin', {
    find: 'linkspan',
    filter: { _id: 1 },
    limit: 1,
    singleBatch: true,
    readConcern: { level: 'linearizable' },
    maxTimeMS: 30_000,
  });
  return time;
}

/** What a server answers that does not know a command, or lets this user not run it. */
const NOT_TOLD = new Set<unknown>([13, 59]);

/**
 * Transactions that are open at the source now, or null where it does not say.
 * @throws the driver's errors
 */
export async function openTransactions(source: SourceConnection): Promise<number | null> {
  try {
    const status = await source.client.db('admin').command({ serverStatus: 1 });
    const open: unknown = status['transactions']?.['currentOpen'];
    return open === undefined ? null : Number(open);
  } catch (error) {
    if (NOT_TOLD.has((error as { code?: unknown }).code)) return null;
    throw error;
  }
}
