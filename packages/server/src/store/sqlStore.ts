import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { type IsolationLevel, type Kysely, sql } from 'kysely';
import { newId } from '../domain/ids.ts';
import type { Durability, StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';
import type { Schema } from './schema.ts';
import type { Sealer } from './sealing.ts';
import { PostgresSignals, ProcessSignals, type Signals } from './signals.ts';
import type { EmbeddedStore, Store } from './store.ts';

/** The longest wait before a transaction is run again, in milliseconds. */
const LONGEST_RETRY_MS = 200;

export interface SqlStoreParts {
  readonly db: Kysely<Schema>;
  readonly dialect: StoreDialect;
  readonly durability: Durability;
  readonly sealer: Sealer;
  readonly embedded: EmbeddedStore | null;
  /** Of the database that several nodes share; null for the embedded one. */
  readonly url: string | null;
}

/** What an open transaction does once it has committed. */
interface OpenTransaction {
  readonly afterCommit: (() => void)[];
}

/** The store on whatever database its dialect speaks. */
export class SqlStore implements Store {
  readonly dialect: StoreDialect;
  readonly durability: Durability;
  readonly sealer: Sealer;
  readonly embedded: EmbeddedStore | null;
  readonly nodeId = newId();
  readonly signals: Signals;
  readonly #db: Kysely<Schema>;
  readonly #open = new AsyncLocalStorage<OpenTransaction>();

  constructor({ db, dialect, durability, sealer, embedded, url }: SqlStoreParts) {
    this.#db = db;
    this.dialect = dialect;
    this.durability = durability;
    this.sealer = sealer;
    this.embedded = embedded;
    this.signals =
      url === null
        ? new ProcessSignals(() => this.#open.getStore()?.afterCommit ?? null)
        : new PostgresSignals(url);
  }

  get db(): Executor {
    this.#refuseInTransaction();
    return this.#db;
  }

  transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    return this.#persist(work, this.dialect.isolation);
  }

  lockingTransaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    return this.#persist(work, this.dialect.isolation === null ? null : 'read committed');
  }

  async #persist<T>(
    work: (tx: Executor) => Promise<T>,
    isolation: IsolationLevel | null,
  ): Promise<T> {
    this.#refuseInTransaction();
    for (let failures = 0; ; failures++) {
      try {
        return await this.#attempt(work, isolation);
      } catch (error) {
        if (failures >= this.dialect.retries(error)) throw error;
        await delay(Math.random() * Math.min(LONGEST_RETRY_MS, 4 * 2 ** failures));
      }
    }
  }

  async #attempt<T>(
    work: (tx: Executor) => Promise<T>,
    isolation: IsolationLevel | null,
  ): Promise<T> {
    const open: OpenTransaction = { afterCommit: [] };
    const plain = this.#db.transaction();
    const transaction = isolation === null ? plain : plain.setIsolationLevel(isolation);
    const result = await transaction.execute((tx) => this.#open.run(open, () => work(tx)));
    for (const action of open.afterCommit) action();
    return result;
  }

  async now(ex: Executor = this.db): Promise<string> {
    const { rows } = await sql<{ now: string }>`select ${this.dialect.clock()} as now`.execute(ex);
    const [row] = rows;
    if (row === undefined) throw new Error('the database did not say what time it is');
    return row.now;
  }

  async close(): Promise<void> {
    await this.signals.close();
    await this.#db.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** A transaction that waits for another connection of its own store may wait for good. */
  #refuseInTransaction(): void {
    if (this.#open.getStore() !== undefined) {
      throw new Error('the store is used beside the open transaction: pass the transaction on');
    }
  }
}
