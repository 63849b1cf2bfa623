import type { Durability, StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { Signals } from './signals.ts';

/** Where the server keeps its state. One object a process; see {@link openStore} for how to get it. */
export interface Store extends AsyncDisposable {
  /**
   * For single statements. Throws within a transaction of this store: there, use the transaction.
   */
  readonly db: Executor;
  /** What the database behind it does otherwise than another. */
  readonly dialect: StoreDialect;
  /** What the database promised of commits when it was opened. */
  readonly durability: Durability;
  /** What can be done with the embedded store's file alone; null where it is in a database. */
  readonly embedded: EmbeddedStore | null;
  /** Seals and opens secrets of rows (rule C8). */
  readonly sealer: Sealer;
  /** This run of this node: another one has another id, also on the same machine. */
  readonly nodeId: string;
  /** Hints between nodes that something has changed. */
  readonly signals: Signals;
  /**
   * Runs `work` in one serialisable transaction: committed when it returns, rolled back when it
   * throws. Where several nodes are at work it is run again if another one was in its way, so it
   * changes nothing but the store, or the same each time. Others may wait meanwhile, so it does no
   * network I/O. It cannot be nested.
   */
  transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T>;
  /**
   * The same, not serialisable: each statement waits for who is at the rows it locks or changes, and sees
   * them as they are then, where a serialisable transaction is run again. For work on many rows that change
   * all the time, which would be run again for ever. It begins with a lock that everybody takes who adds to
   * what it relies on, and changes that row, so that a serialisable one that waits for it is run again.
   */
  lockingTransaction<T>(work: (tx: Executor) => Promise<T>): Promise<T>;
  /** The time that all nodes agree on: the database's own clock, also within a transaction. */
  now(ex?: Executor): Promise<string>;
  close(): Promise<void>;
}

export interface EmbeddedStore {
  /**
   * Copies the store to a new file while it goes on.
   * @throws {BackupError} if the file is there or cannot be written
   */
  backUp(path: string): Promise<void>;
}

/** The store does not answer or is broken; nothing is known about what was asked. Answered as 503. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** Another process has the embedded store open. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError';
}

/** The database would lose what it has committed (rule C14). */
export class StoreNotDurableError extends Error {
  override readonly name = 'StoreNotDurableError';
}
