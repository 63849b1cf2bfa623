import type { DatabaseSync } from 'node:sqlite';
import { type Incarnation, type Incarnations, decode } from './incarnations.ts';

/** Sums over the collections that are moved. */
export interface Totals {
  readonly collections: number;
  readonly collectionsCopied: number;
  readonly documentsCopied: number;
  readonly documentsTotal: number;
  readonly bytesCopied: number;
  readonly bytesTotal: number;
  /**
   * Of those not copied; null while the source has not said how large one of them is, or one has more
   * than it said.
   */
  readonly bytesLeft: number | null;
  /** Those with most left to do come first. */
  readonly mostLeft: readonly Incarnation[];
}

/** Progress is asked for all the time, mostly when nothing has changed: then it costs nothing. */
export function openTotals(
  db: DatabaseSync,
  incarnations: Pick<Incarnations, 'revision'>,
  listed: number,
): () => Totals {
  const moved = `FROM incarnation
    WHERE state <> 'ENDED' AND type = 'collection' AND unsupported IS NULL`;
  const sums = db.prepare(
    `SELECT count(*) AS collections, total(state = 'COPIED') AS copied,
       total(documents_copied) AS documents_copied, total(bytes_copied) AS bytes_copied,
       total(max(documents_total, documents_copied)) AS documents_total,
       total(max(bytes_total, bytes_copied)) AS bytes_total,
       total(CASE state WHEN 'COPIED' THEN 0 ELSE bytes_total - bytes_copied END) AS bytes_left,
       total(state <> 'COPIED' AND (measured IS NOT 1 OR bytes_total < bytes_copied)) AS untold
     ${moved}`,
  );
  const mostLeft = db.prepare(
    `SELECT * ${moved}
     ORDER BY CASE state WHEN 'COPIED' THEN 0
       ELSE max(bytes_total, bytes_copied) - bytes_copied + 1 END DESC, id LIMIT ${listed}`,
  );
  let known: { readonly revision: number; readonly totals: Totals } | null = null;

  return () => {
    const { revision } = incarnations;
    if (known?.revision === revision) return known.totals;
    const row = sums.get() ?? {};
    const of = (name: string): number => Number(row[name]);
    const totals = {
      collections: of('collections'),
      collectionsCopied: of('copied'),
      documentsCopied: of('documents_copied'),
      documentsTotal: of('documents_total'),
      bytesCopied: of('bytes_copied'),
      bytesTotal: of('bytes_total'),
      bytesLeft: of('untold') > 0 ? null : of('bytes_left'),
      mostLeft: mostLeft.all().map(decode),
    };
    known = { revision, totals };
    return totals;
  };
}
