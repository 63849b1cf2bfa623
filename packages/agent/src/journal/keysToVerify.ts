import type { DatabaseSync } from 'node:sqlite';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { slowCount } from './slowCount.ts';

/** What is found to differ so often in a row, and was pushed each time but the last, is left alone. */
export const DIFFERED_AT_MOST = 3;

/** A key that is to be compared by itself. */
export interface KeyToVerify {
  readonly comparable: Buffer;
  /** Raw, as it was last named. */
  readonly documentKey: Buffer;
  /** Of its last push: a key that was pushed again has another one. */
  readonly sequence: number;
  /** How often in a row it was found to differ. */
  readonly differed: number;
}

/**
 * Keys that are to be compared by themselves (rule D19): pushed since the comparison of their
 * collection began, or seen to differ by it.
 */
export interface KeysToVerify {
  /**
   * Notes what was pushed, in the transaction that evicts it, of a collection whose comparison has begun.
   * What a walk saw differ is an ordinary change then: all of the document was pushed since, so that one
   * that never stands still does not keep a repair from its end.
   */
  pushed(
    incarnation: number,
    keys: readonly Pick<KeyToVerify, 'comparable' | 'documentKey'>[],
  ): void;
  /** What is left alone because it went on differing is known to differ: it is not decided again. */
  suspect(incarnation: number, documentKeys: readonly Buffer[]): void;
  /** Those that are not dirty and may become equal, the oldest first. */
  take(incarnation: number, limit: number): KeyToVerify[];
  /** True if it was neither marked nor pushed since it was taken. */
  isSettled(incarnation: number, key: KeyToVerify): boolean;
  setDiffered(incarnation: number, key: KeyToVerify, times: number): void;
  remove(incarnation: number, key: KeyToVerify): void;
  /** Grows with each push of the collection that was noted; 0 if there is none. */
  newest(incarnation: number): number;
  /** Collections that have any. */
  incarnations(): number[];
  /** See {@link slowCount}. */
  count(): number;
  isEmpty(): boolean;
  /** Collections with more keys that only were pushed than that, and how many they have. */
  incarnationsWithMore(pushed: number): { id: number; keys: number }[];
  /** True if any was seen to differ and is not settled: neither equal, nor left alone. */
  hasUndecided(incarnation: number): boolean;
  /** Some that go on differing although they were pushed again. */
  stuck(limit: number): { incarnation: number; documentKey: Buffer }[];
  countStuck(): number;
  /** Lets those that are stuck be pushed again. */
  retryStuck(): void;
  clear(incarnation: number): void;
  /** Grows with each change. */
  readonly revision: number;
}

export function openKeysToVerify(db: DatabaseSync): KeysToVerify {
  const pushed = db.prepare(
    `INSERT INTO key_to_verify (incarnation, comparable, document_key, sequence, suspected)
     SELECT incarnation, ?, ?, ?, 0 FROM verification WHERE incarnation = ? AND rests = 0
     ON CONFLICT (incarnation, comparable) DO UPDATE SET
       document_key = excluded.document_key, sequence = excluded.sequence, suspected = 0,
       differed = min(differed, ${DIFFERED_AT_MOST - 1})`,
  );
  const suspect = db.prepare(
    `INSERT INTO key_to_verify (incarnation, comparable, document_key, sequence, suspected)
     SELECT incarnation, ?, ?, ?, 1 FROM verification WHERE incarnation = ?
     ON CONFLICT (incarnation, comparable) DO UPDATE SET suspected = differed < ${DIFFERED_AT_MOST}`,
  );
  const clean = `NOT EXISTS (SELECT 1 FROM dirty_key d
    WHERE d.incarnation = k.incarnation AND d.comparable = k.comparable)`;
  const take = db.prepare(
    `SELECT * FROM key_to_verify k WHERE incarnation = ? AND differed < ${DIFFERED_AT_MOST}
       AND ${clean} ORDER BY sequence LIMIT ?`,
  );
  const settled = db.prepare(
    `SELECT 1 FROM key_to_verify k
     WHERE incarnation = ? AND comparable = ? AND sequence = ? AND ${clean}`,
  );
  const setDiffered = db.prepare(
    `UPDATE key_to_verify SET differed = ?, suspected = 0
     WHERE incarnation = ? AND comparable = ?`,
  );
  const remove = db.prepare('DELETE FROM key_to_verify WHERE incarnation = ? AND comparable = ?');
  // From one collection to the next by the index: DISTINCT would read every key.
  const incarnations = db.prepare(
    `WITH RECURSIVE found (id) AS (
       SELECT min(incarnation) FROM key_to_verify
       UNION ALL
       SELECT (SELECT min(incarnation) FROM key_to_verify WHERE incarnation > id)
       FROM found WHERE id IS NOT NULL)
     SELECT id FROM found WHERE id IS NOT NULL`,
  );
  const stuckCount = db.prepare(
    `SELECT count(*) AS n FROM key_to_verify WHERE differed >= ${DIFFERED_AT_MOST}`,
  );
  const withMore = db.prepare(
    `SELECT incarnation AS id, count(*) AS n FROM key_to_verify WHERE suspected = 0 AND differed = 0
     GROUP BY incarnation HAVING count(*) > ?`,
  );
  const undecided = db.prepare(
    `SELECT 1 FROM key_to_verify WHERE incarnation = ?
       AND (suspected = 1 OR differed BETWEEN 1 AND ${DIFFERED_AT_MOST - 1}) LIMIT 1`,
  );
  const stuck = db.prepare(
    `SELECT incarnation, document_key FROM key_to_verify
     WHERE differed >= ${DIFFERED_AT_MOST} LIMIT ?`,
  );
  const any = db.prepare('SELECT 1 FROM key_to_verify LIMIT 1');
  const newest = db.prepare('SELECT max(sequence) AS n FROM key_to_verify WHERE incarnation = ?');
  const retryStuck = db.prepare(
    `UPDATE key_to_verify SET differed = 1 WHERE differed >= ${DIFFERED_AT_MOST}`,
  );
  const clear = db.prepare('DELETE FROM key_to_verify WHERE incarnation = ?');
  const number = (row: Record<string, unknown> | undefined): number => Number(row?.['n']);
  let revision = 0;
  let sequence = Number(
    db.prepare('SELECT max(sequence) AS n FROM key_to_verify').get()?.['n'] ?? 0,
  );

  return {
    get revision() {
      return revision;
    },
    pushed(incarnation, keys) {
      revision += 1;
      for (const { comparable, documentKey } of keys) {
        sequence += 1;
        pushed.run(comparable, documentKey, sequence, incarnation);
      }
    },
    suspect(incarnation, documentKeys) {
      revision += 1;
      for (const documentKey of documentKeys) {
        sequence += 1;
        suspect.run(comparableKey(documentKey), documentKey, sequence, incarnation);
      }
    },
    take: (incarnation, limit) =>
      take.all(incarnation, limit).map((row) => ({
        comparable: Buffer.from(row['comparable'] as Uint8Array),
        documentKey: Buffer.from(row['document_key'] as Uint8Array),
        sequence: Number(row['sequence']),
        differed: Number(row['differed']),
      })),
    isSettled: (incarnation, key) =>
      settled.get(incarnation, key.comparable, key.sequence) !== undefined,
    setDiffered(incarnation, key, times) {
      revision += 1;
      setDiffered.run(times, incarnation, key.comparable);
    },
    remove(incarnation, key) {
      revision += 1;
      remove.run(incarnation, key.comparable);
    },
    newest: (incarnation) => Number(newest.get(incarnation)?.['n'] ?? 0),
    incarnations: () => incarnations.all().map((row) => Number(row['id'])),
    count: slowCount(db, 'key_to_verify', () => performance.now()),
    isEmpty: () => any.get() === undefined,
    incarnationsWithMore: (limit) =>
      withMore.all(limit).map((row) => ({ id: Number(row['id']), keys: number(row) })),
    hasUndecided: (incarnation) => undecided.get(incarnation) !== undefined,
    stuck: (limit) =>
      stuck.all(limit).map((row) => ({
        incarnation: Number(row['incarnation']),
        documentKey: Buffer.from(row['document_key'] as Uint8Array),
      })),
    countStuck: () => number(stuckCount.get()),
    retryStuck: () => void retryStuck.run(),
    clear: (incarnation) => void clear.run(incarnation),
  };
}
