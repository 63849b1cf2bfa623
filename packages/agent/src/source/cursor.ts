import { type Document, Long } from 'mongodb';
import { BsonType, documentsOfArray, findElement } from '@linkspan/contract/bson/raw.ts';

import type { ClusterTime } from '../journal/clusterTime.ts';
import type { SourceConnection } from './connection.ts';

/** Documents of one reply, raw, with the operation time of the reply (rule D7). */
export interface ReadBatch {
  readonly documents: Buffer[];
  readonly time: ClusterTime;
  /** No other reply follows. */
  readonly isLast: boolean;
}

/** The `cursor` of a reply: where to go on, and the documents, raw. */
export interface CursorReply {
  /** Zero when the cursor is at its end. */
  readonly id: Long;
  /** The name that getMore wants. */
  readonly collection: string;
  readonly documents: Buffer[];
}

/** Reads the raw `cursor` of a find, aggregate or getMore. The documents are views of it. */
export function readCursor(cursor: Buffer): CursorReply {
  const id = findElement(cursor, 'id');
  const ns = findElement(cursor, 'ns');
  const batch = findElement(cursor, 'firstBatch') ?? findElement(cursor, 'nextBatch');
  const namespace = ns === undefined ? '' : cursor.toString('utf8', ns.value + 4, ns.end - 1);
  return {
    id: id?.type === BsonType.int64 ? Long.fromBigInt(cursor.readBigInt64LE(id.value)) : Long.ZERO,
    collection: namespace.slice(namespace.indexOf('.') + 1),
    documents: batch === undefined ? [] : documentsOfArray(cursor, batch),
  };
}

/**
 * Runs a command that answers with a cursor and reads it to its end, a reply at a time.
 * @param batchSize documents of the replies after the first one
 * @throws the driver's errors
 */
export async function* readCommand(
  source: SourceConnection,
  db: string,
  command: Document,
  batchSize: () => number,
): AsyncGenerator<ReadBatch, void> {
  const session = source.session();
  let open: { id: Long; collection: string } | null = null;
  try {
    const first = await source.run(db, command, session);
    let reply = readCursor(first.cursor);
    open = reply.id.isZero() ? null : { id: reply.id, collection: reply.collection };
    yield { documents: reply.documents, time: first.time, isLast: open === null };
    while (open !== null) {
      const more = await source.run(
        db,
        { getMore: open.id, collection: open.collection, batchSize: batchSize() },
        session,
      );
      reply = readCursor(more.cursor);
      if (reply.id.isZero()) open = null;
      yield { documents: reply.documents, time: more.time, isLast: open === null };
    }
  } finally {
    if (open !== null) {
      const kill = { killCursors: open.collection, cursors: [open.id] };
      await source.run(db, kill, session).catch(() => undefined);
    }
    await session.endSession();
  }
}
