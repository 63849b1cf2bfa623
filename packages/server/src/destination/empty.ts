import { bucketsOf, formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';

import { findEntry, hasBuckets } from './catalog.ts';
import type { Destination } from './destination.ts';
import { DestinationRefusedError } from './errors.ts';
import { writeBatch } from './writer.ts';

/** Documents that one command deletes. */
const AT_ONCE = 1000;

/**
 * Deletes the documents of a collection and leaves the collection, with its options and indexes; a view, and
 * what is not there any more, is left as it is. Repeating it goes on where it ended.
 * @returns null, or why the destination does not delete them: an old one does not in capped collections
 * @throws {DestinationUnavailableError} or the signal's reason
 */
export async function emptyCollection(
  destination: Destination,
  namespace: Namespace,
  signal: AbortSignal,
): Promise<string | null> {
  const entry = await findEntry(destination, namespace);
  if (entry === null || entry.type === 'view') return null;
  const target = (await hasBuckets(destination, namespace)) ? bucketsOf(namespace) : namespace;
  const { db, coll } = target;
  const where = formatNamespace(target);
  let last: Buffer | undefined;
  try {
    for (;;) {
      signal.throwIfAborted();
      const find = {
        find: coll,
        limit: AT_ONCE,
        batchSize: AT_ONCE,
        singleBatch: true,
        projection: { _id: 1 },
      };
      const keys: Buffer[] = [];
      for await (const key of destination.readRaw(db, `look into ${where}`, find)) keys.push(key);
      const [first] = keys;
      if (first === undefined) return null;
      if (last?.equals(first) === true) return `${where}: what was deleted is there again`;
      const { failures } = await writeBatch(destination, {
        op: 'delete',
        db,
        coll,
        documents: keys,
      });
      const [failure] = failures;
      if (failure !== undefined) return failure.message;
      last = first;
    }
  } catch (error) {
    if (error instanceof DestinationRefusedError) return error.message;
    throw error;
  }
}
