import { BSON, type Document } from 'mongodb';
import {
  BsonType,
  type RawElement,
  elementsOf,
  findElement,
  wrapElement,
} from '@linkspan/contract/bson/raw.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { timestampOf } from './changeStream.ts';
import type { SourceConnection } from './connection.ts';
import { type ReadBatch, readCommand } from './cursor.ts';

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
    ...(range.lower && { min: decodeKey(range.lower) }),
    ...(range.upper && { max: decodeKey(range.upper) }),
    readConcern: majorityAfter(after),
    batchSize: batchSize(),
  };
  yield* readCommand(source, namespace.db, command, batchSize);
}

/**
 * Reads the documents of these keys as they are no earlier than `after`; what is not returned was
 * not there. Values of `_id`, not whole document keys: on a replica set `_id` is the whole key.
 */
export async function* readBack(
  source: SourceConnection,
  namespace: Namespace,
  keys: readonly Buffer[],
  after: ClusterTime,
): AsyncGenerator<ReadBatch, void> {
  const ids = keys.map((key) => decodeKey(key)._id);
  const command = {
    find: namespace.coll,
    filter: { _id: { $in: ids } },
    readConcern: majorityAfter(after),
    batchSize: keys.length,
  };
  yield* readCommand(source, namespace.db, command, () => keys.length);
}

/** D6: committed by a majority, and no older than what the read is made for. */
export function majorityAfter(time: ClusterTime): Document {
  return { level: 'majority', ...(time > 0n && { afterClusterTime: timestampOf(time) }) };
}

/**
 * A key for a command. Every type keeps its own: numbers as int32, double, int64 or decimal, regular
 * expressions and symbols as such. Documents become maps, which keep the order of their fields:
 * objects of JavaScript put names that look like numbers first, and that would be another key.
 */
function decodeKey(key: Buffer): { _id: unknown } {
  const id = findElement(key, '_id');
  return { _id: id === undefined ? null : decodeValue(key, id) };
}

function decodeValue(raw: Buffer, element: RawElement): unknown {
  const inner = (): RawElement[] => [...elementsOf(raw, element.value)];
  if (element.type === BsonType.object) {
    return new Map(inner().map((field) => [field.name, decodeValue(raw, field)]));
  }
  if (element.type === BsonType.array) return inner().map((field) => decodeValue(raw, field));
  const [value] = Object.values(
    BSON.deserialize(wrapElement(raw, element), {
      promoteValues: false,
      promoteLongs: false,
      bsonRegExp: true,
      promoteBuffers: false,
    }),
  );
  return value;
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
