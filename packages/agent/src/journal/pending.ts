import type { DatabaseSync } from 'node:sqlite';
import { type Incarnation, type Row, decode } from './incarnations.ts';

/**
 * What there is to do for each step. Steps ask again and again, so each answer comes by an index and
 * costs the same however many collections are quiet.
 */
export interface Pending {
  /** The collection to be copied next, of those not in `busy`: one begun first, else the largest. */
  toCopy(busy: Iterable<number>): Incarnation | undefined;
  /** Collections and views that are not copied, those included that cannot be moved. */
  hasUncopied(): boolean;
  /** The oldest ones whose structure may differ, without those in `except`. */
  toReconcile(except: Iterable<number>, limit: number): Incarnation[];
  hasToReconcile(): boolean;
  countToRepair(): number;
  /** A collection that is not copied and whose size was not asked for. */
  toMeasure(): Incarnation | undefined;
  /** Ids of time series that were copied as their buckets (rule D20). */
  inBuckets(): number[];
  /** Those that cannot be moved. */
  unsupported(limit: number): Incarnation[];
  /** True if one of them was not created at the destination, as far as is known; one that has ended, too. */
  hasUncreated(): boolean;
}

export function openPending(db: DatabaseSync): Pending {
  const listed = (ids: Iterable<number>): string => JSON.stringify([...ids]);
  const toCopy = db.prepare(
    `SELECT * FROM incarnation
     WHERE state IN ('PENDING', 'COPYING') AND type = 'collection' AND dest_db IS NOT NULL
       AND unsupported IS NULL AND id NOT IN (SELECT value FROM json_each(?))
       AND NOT EXISTS (SELECT 1 FROM structural_change WHERE incarnation = incarnation.id)
     ORDER BY state, bytes_total DESC LIMIT 1`,
  );
  const uncopied = db.prepare(
    `SELECT 1 FROM incarnation WHERE state IN ('PENDING', 'COPYING') LIMIT 1`,
  );
  const toReconcile = db.prepare(
    `SELECT * FROM incarnation
     WHERE to_reconcile = 1 AND id NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?`,
  );
  const hasToReconcile = db.prepare('SELECT 1 FROM incarnation WHERE to_reconcile = 1 LIMIT 1');
  const countToRepair = db.prepare('SELECT count(*) AS n FROM incarnation WHERE to_repair = 1');
  const toMeasure = db.prepare(
    `SELECT * FROM incarnation
     WHERE state IN ('PENDING', 'COPYING') AND type = 'collection' AND measured IS NULL
       AND unsupported IS NULL
     ORDER BY state LIMIT 1`,
  );
  const inBuckets = db.prepare(
    `SELECT id FROM incarnation
     WHERE buckets = 1 AND state = 'COPIED' AND dest_db IS NOT NULL ORDER BY id`,
  );
  const unsupported = db.prepare(
    `SELECT * FROM incarnation WHERE unsupported IS NOT NULL AND state <> 'ENDED'
     ORDER BY id LIMIT ?`,
  );
  const uncreated = db.prepare('SELECT 1 FROM incarnation WHERE dest_db IS NULL LIMIT 1');
  const one = (row: Row | undefined): Incarnation | undefined =>
    row === undefined ? undefined : decode(row);

  return {
    toCopy: (busy) => one(toCopy.get(listed(busy))),
    hasUncopied: () => uncopied.get() !== undefined,
    toReconcile: (except, limit) => toReconcile.all(listed(except), limit).map(decode),
    hasToReconcile: () => hasToReconcile.get() !== undefined,
    countToRepair: () => Number(countToRepair.get()?.['n']),
    toMeasure: () => one(toMeasure.get()),
    inBuckets: () => inBuckets.all().map((row) => Number(row['id'])),
    unsupported: (limit) => unsupported.all(limit).map(decode),
    hasUncreated: () => uncreated.get() !== undefined,
  };
}
