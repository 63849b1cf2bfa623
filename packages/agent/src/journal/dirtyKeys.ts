import type { DatabaseSync } from 'node:sqlite';
import { comparableKey, hasString, laneOf } from '@linkspan/contract/bson/comparableKey.ts';
import { type ClusterTime, decodeTime, encodeTime } from './clusterTime.ts';
import { slowCount } from './slowCount.ts';

/** Keys are spread over this many lanes; a key is always in the same one (rule D13). */
export const FLUSH_LANES = 4;

/**
 * In a collated collection strings that differ may be one key, and the documents of a capped one have
 * an order, so all of them share a lane.
 */
const SHARED_LANE = 0;

/** A key that changed at the source and is not known to be equal at the destination. */
export interface DirtyKey {
  /** The key as MongoDB compares it: its identity in the journal. */
  readonly comparable: Buffer;
  /** The key as the source last named it, raw. */
  readonly documentKey: Buffer;
  /** What happened to it last (rule D3). */
  readonly operation: 'write' | 'delete';
  /** Delete, then insert: its bytes changed while its value did not (rule D15), or it was refused (D17). */
  readonly recreate: boolean;
  /** Of its last mark: a key that was marked again has another one. */
  readonly sequence: number;
  readonly markedAt: ClusterTime;
}

export interface Mark {
  readonly incarnation: number;
  readonly collated: boolean;
  readonly documentKey: Buffer;
  readonly operation: 'write' | 'delete';
  /** The document was not there before: in a capped collection, it is the last one now. */
  readonly inserted?: boolean;
  readonly time: ClusterTime;
}

export interface DirtyKeys {
  /** Does nothing for a collection that has ended. */
  mark(mark: Mark): void;
  /** The oldest keys of one collection in one lane, in the order of their last marks. */
  take(lane: number, incarnation: number, limit: number): DirtyKey[];
  /**
   * The same of a capped collection, in the order in which documents were inserted: by the last
   * insertion of a key, or else by its first mark (rule D12).
   */
  takeInOrder(incarnation: number, limit: number): DirtyKey[];
  /** True if the key is marked, whatever for. */
  has(incarnation: number, documentKey: Buffer): boolean;
  /**
   * From now on the key goes as delete and insert, and behind all others, unless it was marked again
   * meanwhile. What happened to it at the source, and when, stays as it is (rule D3).
   */
  recreateBehind(incarnation: number, key: DirtyKey): void;
  /** Puts all keys of one that turned out to be collated or capped into one lane, before any is taken. */
  shareLane(incarnation: number): void;
  /** Which collections have keys in the lane, each once, those behind `after` first. */
  incarnationsIn(lane: number, after: number): Iterable<number>;
  /** True if the key still has that sequence: it was not marked again and not dropped (rule D8). */
  isUnchanged(incarnation: number, key: DirtyKey): boolean;
  /**
   * Removes keys that are at the destination as they were at `readAt`, save those marked again
   * since (rule D13).
   */
  evict(incarnation: number, keys: readonly DirtyKey[], readAt: ClusterTime): void;
  /** Removes keys that were not marked again after that sequence. */
  evictUpTo(incarnation: number, sequence: number): void;
  /** Of the newest mark. */
  lastSequence(): number;
  /** See {@link slowCount}. */
  count(): number;
  countOf(incarnation: number): number;
  /** The cluster time before which all of these keys are at the destination, or null if there are none. */
  behindSince(): ClusterTime | null;
  clear(incarnation: number): void;
}

export function openDirtyKeys(db: DatabaseSync): DirtyKeys {
  const upsert = db.prepare(
    `INSERT INTO dirty_key
       (incarnation, comparable, document_key, operation, recreate, sequence, ordinal, lane,
        marked_at, behind_since)
     SELECT id, ?1, ?2, ?3, 0, ?4, iif(capped IS NULL, NULL, ?4),
       iif(capped IS NULL, ?5, ${SHARED_LANE}), ?6, ?6
     FROM incarnation WHERE id = ?7 AND state <> 'ENDED'
     ON CONFLICT (incarnation, comparable) DO UPDATE SET
       recreate = recreate OR (document_key <> excluded.document_key)
         OR (?8 AND ordinal IS NOT NULL),
       ordinal = iif(?8, excluded.ordinal, ordinal),
       document_key = excluded.document_key, operation = excluded.operation,
       sequence = excluded.sequence, marked_at = excluded.marked_at`,
  );
  const take = db.prepare(
    'SELECT * FROM dirty_key WHERE lane = ? AND incarnation = ? ORDER BY sequence LIMIT ?',
  );
  const takeInOrder = db.prepare(
    `SELECT * FROM dirty_key WHERE incarnation = ? AND ordinal IS NOT NULL
     ORDER BY ordinal LIMIT ?`,
  );
  const shareLane = db.prepare(
    `UPDATE dirty_key SET lane = ${SHARED_LANE}, ordinal = iif(
       (SELECT capped FROM incarnation WHERE id = dirty_key.incarnation) IS NULL, NULL,
       coalesce(ordinal, sequence))
     WHERE incarnation = ?`,
  );
  const evictUpTo = db.prepare('DELETE FROM dirty_key WHERE incarnation = ? AND sequence <= ?');
  // From one collection to the next by the index: DISTINCT would read every key of the lane.
  const nextIncarnation = db.prepare(
    'SELECT min(incarnation) AS id FROM dirty_key WHERE lane = ? AND incarnation > ?',
  );
  const sequenceOf = db.prepare(
    'SELECT sequence FROM dirty_key WHERE incarnation = ? AND comparable = ?',
  );
  const recreate = db.prepare(
    `UPDATE dirty_key SET recreate = 1, sequence = ?
     WHERE incarnation = ? AND comparable = ? AND sequence = ?`,
  );
  const evict = db.prepare(
    'DELETE FROM dirty_key WHERE incarnation = ? AND comparable = ? AND sequence = ?',
  );
  const countOf = db.prepare('SELECT count(*) AS n FROM dirty_key WHERE incarnation = ?');
  const caughtUp = db.prepare(
    `UPDATE dirty_key SET behind_since = max(behind_since, ?)
     WHERE incarnation = ? AND comparable = ?`,
  );
  const behindSince = db.prepare('SELECT min(behind_since) AS t FROM dirty_key');
  const clear = db.prepare('DELETE FROM dirty_key WHERE incarnation = ?');
  let sequence = Number(db.prepare('SELECT max(sequence) AS n FROM dirty_key').get()?.['n'] ?? 0);

  return {
    mark({ incarnation, collated, documentKey, operation, time, inserted = false }) {
      const comparable = comparableKey(documentKey);
      const lane =
        collated && hasString(documentKey) ? SHARED_LANE : laneOf(comparable, FLUSH_LANES);
      sequence += 1;
      upsert.run(
        comparable,
        documentKey,
        operation === 'write' ? 'w' : 'd',
        sequence,
        lane,
        encodeTime(time),
        incarnation,
        inserted ? 1 : 0,
      );
    },
    take: (lane, incarnation, limit) => take.all(lane, incarnation, limit).map(decode),
    takeInOrder: (incarnation, limit) => takeInOrder.all(incarnation, limit).map(decode),
    has: (incarnation, documentKey) =>
      sequenceOf.get(incarnation, comparableKey(documentKey)) !== undefined,
    recreateBehind(incarnation, key) {
      sequence += 1;
      recreate.run(sequence, incarnation, key.comparable, key.sequence);
    },
    shareLane: (incarnation) => void shareLane.run(incarnation),
    *incarnationsIn(lane, after) {
      const behind = (id: number): number => Number(nextIncarnation.get(lane, id)?.['id'] ?? 0);
      for (let id = behind(after); id > 0; id = behind(id)) yield id;
      for (let id = behind(0); id > 0 && id <= after; id = behind(id)) yield id;
    },
    isUnchanged: (incarnation, key) =>
      sequenceOf.get(incarnation, key.comparable)?.['sequence'] === key.sequence,
    evict(incarnation, keys, readAt) {
      for (const key of keys) {
        const { changes } = evict.run(incarnation, key.comparable, key.sequence);
        if (Number(changes) === 0) caughtUp.run(encodeTime(readAt), incarnation, key.comparable);
      }
    },
    evictUpTo: (incarnation, upTo) => void evictUpTo.run(incarnation, upTo),
    lastSequence: () => sequence,
    count: slowCount(db, 'dirty_key', () => performance.now()),
    countOf: (incarnation) => Number(countOf.get(incarnation)?.['n']),
    behindSince() {
      const time = behindSince.get()?.['t'];
      return typeof time === 'string' ? decodeTime(time) : null;
    },
    clear: (incarnation) => void clear.run(incarnation),
  };
}

function decode(row: Record<string, unknown>): DirtyKey {
  return {
    comparable: Buffer.from(row['comparable'] as Uint8Array),
    documentKey: Buffer.from(row['document_key'] as Uint8Array),
    operation: row['operation'] === 'w' ? 'write' : 'delete',
    recreate: row['recreate'] === 1,
    sequence: Number(row['sequence']),
    markedAt: decodeTime(String(row['marked_at'])),
  };
}
