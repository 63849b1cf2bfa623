import type { DatabaseSync } from 'node:sqlite';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, decodeTime } from './clusterTime.ts';

/** A drop or rename to repeat at the destination; it acts only on the incarnation it names (D2). */
export type StructuralChange = {
  readonly sequence: number;
  readonly incarnation: number;
} & ({ readonly kind: 'drop' } | { readonly kind: 'rename'; readonly to: Namespace });

export interface StructuralChanges {
  /**
   * Adds a change behind the others.
   * @param token the event's resume token, or null where a listing found it; an event that is
   *   there already is not added again
   */
  add(
    change: { incarnation: number } & ({ kind: 'drop' } | { kind: 'rename'; to: Namespace }),
    token: Buffer | null,
  ): void;
  /** The next one to be carried out. */
  first(): StructuralChange | undefined;
  /** True while the destination is behind for that collection. */
  concerns(incarnation: number): boolean;
  remove(sequence: number): void;
  count(): number;
  /** The time up to which all of them are at the destination, or null if there is none. */
  behindSince(): ClusterTime | null;
}

export function openStructuralChanges(db: DatabaseSync): StructuralChanges {
  const insert = db.prepare(
    // The stream's position before the reply that brought it: no later than the change itself.
    `INSERT INTO structural_change (token, kind, incarnation, to_db, to_coll, behind_since)
     VALUES (?, ?, ?, ?, ?, coalesce((SELECT tracked_to FROM migration), '0')) ON CONFLICT (token) DO NOTHING`,
  );
  const first = db.prepare('SELECT * FROM structural_change ORDER BY sequence LIMIT 1');
  const concerns = db.prepare('SELECT 1 FROM structural_change WHERE incarnation = ? LIMIT 1');
  const remove = db.prepare('DELETE FROM structural_change WHERE sequence = ?');
  const count = db.prepare('SELECT count(*) AS n FROM structural_change');
  const behind = db.prepare('SELECT min(behind_since) AS since FROM structural_change');

  return {
    add(change, token) {
      const to = change.kind === 'rename' ? change.to : null;
      insert.run(token, change.kind, change.incarnation, to?.db ?? null, to?.coll ?? null);
    },
    first() {
      const row = first.get();
      if (row === undefined) return undefined;
      const common = { sequence: Number(row['sequence']), incarnation: Number(row['incarnation']) };
      return row['kind'] === 'drop'
        ? { ...common, kind: 'drop' }
        : {
            ...common,
            kind: 'rename',
            to: { db: String(row['to_db']), coll: String(row['to_coll']) },
          };
    },
    concerns: (incarnation) => concerns.get(incarnation) !== undefined,
    remove: (sequence) => void remove.run(sequence),
    count: () => Number(count.get()?.['n']),
    behindSince() {
      const since = behind.get()?.['since'] ?? null;
      return since === null ? null : decodeTime(String(since));
    },
  };
}
