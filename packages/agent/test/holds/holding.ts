import type { Db, Document, MongoClient } from 'mongodb';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';

/** Where a holding is: at the source to fill and change it, at the destination to look at it. */
export interface Place {
  /** A database that nobody else uses. */
  readonly db: Db;
  readonly client: MongoClient;
  readonly mongodb: MongoDB;
}

/**
 * Something that a source holds, or that happens in it. All of them are in one migration, and each is
 * judged by itself: its databases must be equal at the end.
 */
export interface Holding {
  /** The test's name. */
  readonly name: string;
  /** Databases that begin so are compared. */
  readonly db: string;
  /** Why the database at hand cannot hold it, or null. */
  readonly lacks?: (place: Place) => Promise<string | null>;
  /** Before the migration. */
  readonly fill?: (place: Place) => Promise<void>;
  /** Once, while documents of it were read by the copy and are not pushed yet. */
  readonly during?: (place: Place) => Promise<void>;
  /** While the migration follows the source. */
  readonly after?: (place: Place) => Promise<void>;
  /** What must be so at the destination, beside being equal. */
  readonly check?: (place: Place) => Promise<void>;
}

/** Why a command is not carried out, or null if it is. */
export async function refusalOf(work: Promise<unknown>): Promise<string | null> {
  try {
    await work;
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

export interface Numbered extends Document {
  _id: number;
}

export const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({ _id: from + index, n: from + index }));
