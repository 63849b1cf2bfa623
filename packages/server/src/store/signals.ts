import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { connectionOptions, SHARE_NODE_LOCK } from './dialects/postgres.ts';
import type { Executor } from './executor.ts';

/** What a signal is about, and for what: the listener's own matter. */
export type SignalListener = (key: string) => void;

/**
 * Hints from node to node. One may be lost, come twice or late: whoever listens looks by itself all
 * the same, and correctness rests on that (rule C14).
 */
export interface Signals {
  /**
   * Tells every node, this one included; in a transaction, once it has committed.
   * @param key at most 1,000 characters, never a secret
   */
  send(ex: Executor, topic: string, key: string): Promise<void>;
  /** Listens from now on; the first listener makes the connection that it needs. */
  on(topic: string, listener: SignalListener): Disposable;
  /** Comes back once the first listener hears, and others see that a node is running. */
  listening(): Promise<void>;
  close(): Promise<void>;
}

class Listeners {
  readonly #listeners = new Map<string, Set<SignalListener>>();

  add(topic: string, listener: SignalListener): Disposable {
    const all = this.#listeners.get(topic) ?? new Set();
    this.#listeners.set(topic, all.add(listener));
    return { [Symbol.dispose]: () => void all.delete(listener) };
  }

  tell(topic: string, key: string): void {
    for (const listener of this.#listeners.get(topic) ?? []) listener(key);
  }
}

/** Within one process. What is sent in a transaction waits in `afterCommit`. */
export class ProcessSignals implements Signals {
  readonly #listeners = new Listeners();
  readonly #afterCommit: () => (() => void)[] | null;

  /** @param afterCommit where the open transaction keeps what it does once it has committed */
  constructor(afterCommit: () => (() => void)[] | null) {
    this.#afterCommit = afterCommit;
  }

  async send(_ex: Executor, topic: string, key: string): Promise<void> {
    const tell = () => this.#listeners.tell(topic, key);
    const waiting = this.#afterCommit();
    if (waiting === null) tell();
    else waiting.push(tell);
  }

  on(topic: string, listener: SignalListener): Disposable {
    return this.#listeners.add(topic, listener);
  }

  async listening(): Promise<void> {}

  async close(): Promise<void> {}
}

const CHANNEL = 'linkspan';
/** How long after a lost connection the next is tried, in milliseconds. */
const RECONNECT_MS = 1000;

/**
 * LISTEN and NOTIFY of PostgreSQL, over a connection of its own: one of a pooler between them would
 * not do. While it is lost, signals are. It also shows that a node is running.
 */
export class PostgresSignals implements Signals {
  readonly #url: string;
  readonly #listeners = new Listeners();
  readonly #stopping = new AbortController();
  readonly #heard = Promise.withResolvers<void>();
  #running: Promise<void> | null = null;

  constructor(url: string) {
    this.#url = url;
  }

  async send(ex: Executor, topic: string, key: string): Promise<void> {
    await sql`select pg_notify(${CHANNEL}, ${`${topic} ${key}`})`.execute(ex);
  }

  on(topic: string, listener: SignalListener): Disposable {
    this.#running ??= this.#run();
    return this.#listeners.add(topic, listener);
  }

  listening(): Promise<void> {
    return this.#heard.promise;
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    this.#heard.resolve();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      // Nobody is told: the store itself fails the same way, and is complained of where it is used.
      await this.#listen(signal).catch(() => {});
      await delay(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Comes back when the connection is lost, or when the store is closed. */
  async #listen(signal: AbortSignal): Promise<void> {
    const client = new pg.Client(connectionOptions(this.#url));
    const lost = Promise.withResolvers<void>();
    const end = () => lost.resolve();
    client.on('error', end);
    client.on('end', end);
    signal.addEventListener('abort', end, { once: true });
    client.on('notification', ({ payload = '' }) => {
      const space = payload.indexOf(' ');
      if (space > 0) this.#listeners.tell(payload.slice(0, space), payload.slice(space + 1));
    });
    try {
      await client.connect();
      await client.query(SHARE_NODE_LOCK);
      await client.query(`listen ${CHANNEL}`);
      this.#heard.resolve();
      if (!signal.aborted) await lost.promise;
    } finally {
      signal.removeEventListener('abort', end);
      await client.end().catch(() => {});
    }
  }
}
