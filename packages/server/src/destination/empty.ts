import { bucketsOf, formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { Document } from 'mongodb';

import { findEntry, hasBuckets } from './catalog.ts';
import type { Destination } from './destination.ts';
import {
  destinationError,
  DestinationRefusedError,
  DestinationUnavailableError,
} from './errors.ts';
import { writeBatch } from './writer.ts';

/** Documents that one command deletes. */
const AT_ONCE = 1000;
/** Documents that may have come since it began, or that the destination's bookkeeping does not know of. */
const SPARE = 1_000_000;
/** QueryPlanKilled, CursorNotFound and CursorKilled: a drop or a failover, or too long a pause. */
const CURSOR_LOST = [175, 43, 237];

/**
 * Deletes the documents that a collection holds now and leaves the collection, with its options and indexes; a
 * view, and what is not there any more, is left as it is. It is one pass in the order of `_id` up to the
 * greatest there is at the beginning: somebody may write there meanwhile, and of theirs only what comes into
 * the way of the pass is deleted, too. Repeating it goes on where it ended.
 * @param spare how many more documents than twice what there was are deleted before it counts what is left; it
 *   gives up once that does not become less
 * @returns null, or why the destination does not delete them: an old one does not in capped collections
 * @throws {DestinationUnavailableError} or the signal's reason
 */
export async function emptyCollection(
  destination: Destination,
  namespace: Namespace,
  signal: AbortSignal,
  spare = SPARE,
): Promise<string | null> {
  const entry = await findEntry(destination, namespace);
  if (entry === null || entry.type === 'view') return null;
  const target = (await hasBuckets(destination, namespace)) ? bucketsOf(namespace) : namespace;
  try {
    return await passOver(destination, target, signal, spare);
  } catch (error) {
    if (!(error instanceof DestinationRefusedError)) throw error;
    if (!CURSOR_LOST.includes(error.code ?? 0)) return error.message;
    throw new DestinationUnavailableError(error.message, { cause: error });
  }
}

async function passOver(
  destination: Destination,
  { db, coll }: Namespace,
  signal: AbortSignal,
  spare: number,
): Promise<string | null> {
  const where = formatNamespace({ db, coll });
  const read = (range: Document): AsyncGenerator<Buffer, void> => {
    const find = { find: coll, projection: { _id: 1 }, ...range };
    return destination.readRaw(db, `look into ${where}`, find);
  };
  let greatest: Buffer | null = null;
  for await (const key of read({ sort: { _id: -1 }, limit: 1, singleBatch: true })) greatest = key;
  if (greatest === null) return null;
  let allowed = 2 * (await countDocuments(destination, { db, coll })) + spare;
  let left = Number.POSITIVE_INFINITY;
  let documents: Buffer[] = [];
  const deleteThem = async (): Promise<string | null> => {
    signal.throwIfAborted();
    const { failures } = await writeBatch(destination, { op: 'delete', db, coll, documents });
    documents = [];
    return failures[0]?.message ?? null;
  };
  // One cursor: no key has to be named to the destination, and none is looked at twice.
  for await (const key of read({ sort: { _id: 1 }, batchSize: AT_ONCE })) {
    documents.push(key);
    const isEnd = key.equals(greatest);
    if (!isEnd && documents.length < AT_ONCE) continue;
    allowed -= documents.length;
    const failure = await deleteThem();
    if (failure !== null || isEnd) return failure;
    if (allowed >= 0) continue;
    const before = left;
    left = await countExactly(destination, { db, coll });
    if (left >= before) return `${where}: documents are inserted as fast as they are deleted`;
    allowed = left + spare;
  }
  // Somebody else has deleted the greatest.
  return documents.length === 0 ? null : deleteThem();
}

/** By the destination's own bookkeeping, which may be wrong after a crash. */
async function countDocuments(destination: Destination, namespace: Namespace): Promise<number> {
  return Number((await count(destination, namespace, { count: namespace.coll }))['n']);
}

/** One by one. */
async function countExactly(destination: Destination, namespace: Namespace): Promise<number> {
  const pipeline = [{ $count: 'n' }];
  const command = { aggregate: namespace.coll, pipeline, cursor: {} };
  const [counted] = (await count(destination, namespace, command))['cursor'].firstBatch;
  return Number(counted?.n ?? 0);
}

async function count(
  { client, cluster }: Destination,
  { db, coll }: Namespace,
  command: Document,
): Promise<Document> {
  try {
    return await client.db(db).command(command);
  } catch (error) {
    throw destinationError(cluster, `count ${formatNamespace({ db, coll })}`, error);
  }
}
