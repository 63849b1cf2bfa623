import type { IsolationLevel, Kysely, KyselyPlugin, RawBuilder } from 'kysely';
import type { Schema } from '../schema.ts';

/**
 * What one database does otherwise than another: the only place for it. Everything else of the store
 * is written once, and runs on each of them.
 */
export interface StoreDialect {
  readonly name: 'SQLite' | 'PostgreSQL';
  /** Several nodes can use it at the same time, so what they share has to be in it. */
  readonly isShared: boolean;
  /** What transactions ask for; null where they wait for each other in any case. */
  readonly isolation: IsolationLevel | null;
  /** Turn what both can be told into what this one takes: column types, row locks. */
  readonly plugins: readonly KyselyPlugin[];
  /**
   * The clock that every node reads alike, as an expression for a statement: ISO 8601 in UTC with
   * milliseconds, like every time of the store. It goes on within a transaction.
   * @param aheadMs how far ahead of now
   */
  clock(aheadMs?: number): RawBuilder<string>;
  /** The same clock in seconds since 1970. */
  seconds(): RawBuilder<number>;
  /** How often a transaction that failed so is worth running again; 0: never. */
  retries(error: unknown): number;
  /** Of a statement that failed so: it is over, and nothing of it is carried out later. */
  isOver(error: unknown): boolean;
  /** Keeps others from changing the tables until the transaction ends. */
  lockSchema(db: Kysely<Schema>): Promise<void>;
  /** The names of the tables that are there. */
  tables(db: Kysely<Schema>): Promise<string[]>;
  /** In a transaction: keeps everybody from writing to these tables, and reads one state of them. */
  lockTables(tx: Kysely<Schema>, tables: readonly string[]): Promise<void>;
  /** In a transaction: counters go on after the highest number in the table. */
  continueCounters(tx: Kysely<Schema>, table: string): Promise<void>;
  /** Whether a server has the store open. The embedded one cannot even be asked then. */
  isInUse(tx: Kysely<Schema>): Promise<boolean>;
  /** What the database promises of a commit, as it says itself. */
  durability(db: Kysely<Schema>): Promise<Durability>;
}

/** Whether what was committed outlives a loss of power (rule C14). */
export interface Durability {
  /** The settings by the database's own names. */
  readonly settings: Readonly<Record<string, string>>;
  /** What makes it lose commits: a reason not to start. */
  readonly faults: readonly string[];
  /** What should be otherwise. */
  readonly warnings: readonly string[];
}
