import type { DatabaseSync } from 'node:sqlite';

/** A part of a collection in the order of its `_id` index; bounds and position are raw keys. */
export interface CopyRange {
  readonly incarnation: number;
  readonly number: number;
  /** Inclusive; null: from the first. */
  readonly lower: Buffer | null;
  /** Exclusive; null: to the last. */
  readonly upper: Buffer | null;
  /** Key of the last document up to which every one was acknowledged (rule D9). */
  readonly position: Buffer | null;
  readonly done: boolean;
}

export interface CopyRanges {
  /** Replaces the ranges of a collection: `bounds` cut it into one range more than there are. */
  plan(incarnation: number, bounds: readonly Buffer[]): void;
  of(incarnation: number): CopyRange[];
  advance(incarnation: number, number: number, position: Buffer): void;
  finish(incarnation: number, number: number): void;
  clear(incarnation: number): void;
}

export function openCopyRanges(db: DatabaseSync): CopyRanges {
  const clear = db.prepare('DELETE FROM copy_range WHERE incarnation = ?');
  const insert = db.prepare(
    'INSERT INTO copy_range (incarnation, number, lower, upper) VALUES (?, ?, ?, ?)',
  );
  const select = db.prepare('SELECT * FROM copy_range WHERE incarnation = ? ORDER BY number');
  const advance = db.prepare(
    'UPDATE copy_range SET position = ? WHERE incarnation = ? AND number = ?',
  );
  const finish = db.prepare('UPDATE copy_range SET done = 1 WHERE incarnation = ? AND number = ?');
  const blob = (value: unknown): Buffer | null =>
    value instanceof Uint8Array ? Buffer.from(value) : null;

  return {
    plan(incarnation, bounds) {
      clear.run(incarnation);
      for (let number = 0; number <= bounds.length; number += 1) {
        insert.run(incarnation, number, bounds[number - 1] ?? null, bounds[number] ?? null);
      }
    },
    of: (incarnation) =>
      select.all(incarnation).map((row) => ({
        incarnation,
        number: Number(row['number']),
        lower: blob(row['lower']),
        upper: blob(row['upper']),
        position: blob(row['position']),
        done: row['done'] === 1,
      })),
    advance: (incarnation, number, position) => void advance.run(position, incarnation, number),
    finish: (incarnation, number) => void finish.run(incarnation, number),
    clear: (incarnation) => void clear.run(incarnation),
  };
}
