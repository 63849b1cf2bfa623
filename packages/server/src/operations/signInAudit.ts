import { setImmediate } from 'node:timers/promises';
import { networkOf } from '../domain/addresses.ts';
import type { EventType } from '../domain/eventTypes.ts';
import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { Store } from '../store/store.ts';
import type { Log } from './context.ts';
import { Periodic } from './periodic.ts';

/** Whose credentials somebody failed with. */
export interface SignInAccount {
  readonly kind: 'apiKey' | 'serviceAccount' | 'migrationHost' | 'linkToken';
  /** Id of the key, the account's client id, the host's id, the link's id. */
  readonly id: string;
  /** The organization that it belongs to, whose events tell of it. */
  readonly orgId: string;
}

/** Why a sign-in failed. */
export type SignInFailure =
  | 'WRONG_SECRET'
  | 'INVALID_ACCESS_TOKEN'
  | 'ADDRESS_NOT_ON_ACCESS_LIST'
  | 'NO_ACCESS_LIST'
  | 'EXPIRED'
  | 'USED_BY_ANOTHER_HOST';

const TYPES: Readonly<Record<SignInAccount['kind'], EventType>> = {
  apiKey: 'API_KEY_SIGN_IN_FAILED',
  serviceAccount: 'SERVICE_ACCOUNT_SIGN_IN_FAILED',
  migrationHost: 'LIVE_MIGRATION_HOST_SIGN_IN_FAILED',
  linkToken: 'LIVE_MIGRATION_LINK_TOKEN_REFUSED',
};

/** Further failures are gathered for so long. */
const PERIOD_MS = 60_000;
/** Pairs that are gathered for; the oldest is written before its time when there are more. */
const MOST_PAIRS = 10_000;

interface Gathered {
  readonly account: SignInAccount;
  readonly failure: SignInFailure;
  remoteAddress: string;
  /** Failures that no event tells of yet, and when the first of them was. */
  count: number;
  since: number;
  writtenAt: number;
}

/**
 * Makes audit events of failed sign-ins with credentials that exist (rule C11): the first of an
 * account and address at once, further ones counted and written once a minute, and at the end.
 * Nobody waits for the writing: how long an answer takes must not tell whether a key exists.
 */
export class SignInAudit {
  readonly #store: Store;
  readonly #log: Log;
  readonly #now: () => number;
  readonly #pairs = new Map<string, Gathered>();
  readonly #writing = new Set<Promise<void>>();
  readonly #periodic = new Periodic(PERIOD_MS / 4, () => this.flush());

  /** @param now milliseconds since 1970 */
  constructor(store: Store, log: Log, now: () => number = Date.now) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
  }

  start(): void {
    this.#periodic.start();
  }

  /** Writes what is gathered. To be called before the store closes. */
  async close(): Promise<void> {
    await this.#periodic.stop();
    await Promise.all(this.#writing);
    await Promise.all([...this.#pairs.values()].map((pair) => this.#write(pair)));
  }

  failed(account: SignInAccount, remoteAddress: string, failure: SignInFailure): void {
    const key = `${account.kind} ${account.id} ${networkOf(remoteAddress)} ${failure}`;
    const now = this.#now();
    const known = this.#pairs.get(key);
    if (known !== undefined) {
      known.remoteAddress = remoteAddress;
      if (known.count === 0) known.since = now;
      known.count += 1;
      return;
    }
    const pair = { account, failure, remoteAddress, count: 1, since: now, writtenAt: now };
    this.#makeRoom();
    this.#pairs.set(key, pair);
    this.#inBackground(this.#write(pair));
  }

  /** Writes what has been gathered for a minute, and forgets who has not failed again. */
  async flush(): Promise<void> {
    const now = this.#now();
    for (const [key, pair] of this.#pairs) {
      if (now - pair.writtenAt < PERIOD_MS) continue;
      if (pair.count === 0) this.#pairs.delete(key);
      else await this.#write(pair);
    }
  }

  #makeRoom(): void {
    if (this.#pairs.size < MOST_PAIRS) return;
    for (const [key, pair] of this.#pairs) {
      this.#pairs.delete(key);
      this.#inBackground(this.#write(pair));
      return;
    }
  }

  #inBackground(work: Promise<void>): void {
    this.#writing.add(work);
    void work.finally(() => this.#writing.delete(work));
  }

  /** What cannot be written stays counted. */
  async #write(pair: Gathered): Promise<void> {
    const { account, failure, remoteAddress, count, since } = pair;
    if (count === 0) return;
    pair.count = 0;
    pair.writtenAt = this.#now();
    // The store works on this thread: the answer has to be on its way before.
    await setImmediate();
    try {
      await this.#store.transaction((tx) =>
        events.record(tx, {
          type: TYPES[account.kind],
          orgId: account.orgId,
          actor: { remoteAddress },
          targetId: account.id,
          detail: { failure, count, since: timestamp(new Date(since)) },
        }),
      );
    } catch (error) {
      pair.count += count;
      pair.since = since;
      this.#log.error({ err: error, ...account, count }, 'failed sign-ins cannot be written yet');
    }
  }
}
