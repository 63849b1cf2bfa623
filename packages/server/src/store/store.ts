import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';

/** Where the server keeps its state. One object a process; see {@link openStore} for how to get it. */
export interface Store extends AsyncDisposable {
  /**
   * For single statements. Throws within a transaction of this store: there, use the transaction.
   */
  readonly db: Executor;
  /** Seals and opens secrets of rows (rule C8). */
  readonly sealer: Sealer;
  /**
   * Runs `work` in one serialisable transaction: committed when it returns, rolled back when it
   * throws. Others wait meanwhile, so it does no network I/O. It cannot be nested.
   */
  transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T>;
  close(): Promise<void>;
}

/** The store does not answer or is broken; nothing is known about what was asked. Answered as 503. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}
