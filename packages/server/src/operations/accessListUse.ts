import type { Credential } from '../domain/access.ts';
import { credentialId } from '../domain/access.ts';
import { timestamp } from '../domain/time.ts';
import * as accessListUsage from '../store/accessListUsage.ts';
import type { Store } from '../store/store.ts';
import type { Log } from './context.ts';
import { Periodic } from './periodic.ts';

const PERIOD_MS = 60_000;

/**
 * Counts the requests that entries of access lists let in. Kept in memory and written once a minute:
 * a write for each request would cost more than the request.
 */
export class AccessListUse {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  #uses = new Map<string, accessListUsage.Use>();
  readonly #periodic = new Periodic(PERIOD_MS, () => this.flush());

  /** @param now milliseconds since 1970 */
  constructor(store: Store, log: Log, now: () => number = Date.now) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
  }

  start(): void {
    this.#periodic.start();
  }

  /** Writes what is counted. To be called before the store closes. */
  async close(): Promise<void> {
    await this.#periodic.stop();
    await this.flush();
  }

  /** An entry has let a request in. */
  used(credential: Credential, cidr: string, address: string): void {
    const { kind } = credential;
    const id = credentialId(credential);
    const key = `${kind} ${id} ${cidr}`;
    const requests = (this.#uses.get(key)?.requests ?? 0) + 1;
    const at = timestamp(new Date(this.#now()));
    this.#uses.set(key, { kind, id, cidr, requests, at, address });
  }

  /** What cannot be written is not counted: these are no facts that anything rests on. */
  async flush(): Promise<void> {
    if (this.#uses.size === 0) return;
    const uses = [...this.#uses.values()];
    this.#uses = new Map();
    try {
      await this.#store.transaction(async (tx) => {
        for (const use of uses) await accessListUsage.add(tx, use);
      });
    } catch (error) {
      this.#log.warn({ err: error }, 'the use of access lists cannot be written');
    }
  }
}
