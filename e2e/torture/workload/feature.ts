import type { Collection, Db, MongoClient } from 'mongodb';
import type { Random } from '../random.ts';

/**
 * An `_id` is of any type here, which the driver's types do not know: `never` goes everywhere.
 */
export function key(_id: unknown): never {
  return _id as never;
}

/**
 * Acknowledged by a majority and journaled: without it a source that is killed may lose what it had
 * acknowledged (rule D24).
 */
export const DURABLE = { writeConcern: { w: 'majority', j: true } } as const;

/** The source, as the workload sees it. Nothing is remembered: what an operation does follows from the seed. */
export interface Source {
  readonly client: MongoClient;
  db(name: string): Db;
  collection(db: string, coll: string): Collection;
}

export interface Operation {
  /** For the figures. */
  readonly kind: string;
  /** How often it comes, beside the others. */
  readonly weight: number;
  /** It changes what a name stands for. */
  readonly renames?: true;
  /** What the server refuses (no such collection, a duplicate key) is part of an odd workload. */
  run(source: Source, random: Random): Promise<unknown>;
}

/** A part of what a source may hold, and what happens to it: one file each in this directory. */
export interface Feature {
  readonly name: string;
  /** Makes what is there before the migration starts. */
  prepare?(source: Source, random: Random): Promise<unknown>;
  readonly operations: readonly Operation[];
}
