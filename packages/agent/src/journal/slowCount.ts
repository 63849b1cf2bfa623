import type { DatabaseSync } from 'node:sqlite';

/** A count that took longer than this, in milliseconds, is not made again at once … */
const LONG_MS = 10;
/** … but after so many times as long. */
const REST = 100;

/**
 * Counts the rows of a table. That reads a whole index, so where there are many millions the answer may be
 * some seconds old; whether it is 0 is always up to date.
 * @param now milliseconds, monotonic
 */
export function slowCount(db: DatabaseSync, table: string, now: () => number): () => number {
  const count = db.prepare(`SELECT count(*) AS n FROM ${table}`);
  const any = db.prepare(`SELECT 1 FROM ${table} LIMIT 1`);
  let counted = 0;
  let againAt = 0;
  return () => {
    const begun = now();
    if (begun < againAt) return any.get() === undefined ? 0 : Math.max(counted, 1);
    counted = Number(count.get()?.['n']);
    const took = now() - begun;
    againAt = took > LONG_MS ? begun + took * REST : 0;
    return counted;
  };
}
