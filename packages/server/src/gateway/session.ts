import { namespaceKey, type Namespace } from '@linkspan/contract/push/namespaces.ts';

import { hasBuckets } from '../destination/catalog.ts';
import type { AddressCheck } from '../destination/connect.ts';
import { Destination } from '../destination/destination.ts';
import { DigestWalks } from '../destination/digest.ts';
import { DestinationRefusedError } from '../destination/errors.ts';
import { isFencedOff } from '../destination/fence.ts';
import { proveGone } from '../destination/proof.ts';
import type { OwnedNamespace, OwnedNamespaces } from '../destination/structure.ts';
import * as clusters from '../store/clusters.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationNamespaces from '../store/migrationNamespaces.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';
import { PushError } from './errors.ts';
import { KeyedQueues, Lanes } from './queues.ts';
import { SharedRanges } from './sharedRanges.ts';
import { StructureRecord } from './structureRecord.ts';

/** What a session refuses with that a newer one has taken the place of. */
export const FENCED = new PushError(
  'SESSION_FENCED',
  'A newer push session of the live migration was opened.',
);

const LEASE_OVER = new PushError(
  'SESSION_UNKNOWN',
  'The server node could not renew its lease of the push session: open a new one.',
);

const UNRECORDED = new PushError(
  'SESSION_UNKNOWN',
  'The store did not answer when it was told what the live migration has made: open a new push session.',
);

export interface SessionIdentity {
  readonly id: string;
  readonly migrationId: string;
  readonly linkId: string;
  readonly hostId: string;
  readonly clusterId: string;
  readonly clusterName: string;
  /** `appName` of its connections. */
  readonly connectionName: string;
  /** `drop`: the server's own, for what a canceled migration had copied. */
  readonly purpose: 'push' | 'drop';
}

export interface SessionParts {
  readonly identity: SessionIdentity;
  readonly store: Store;
  readonly uri: string;
  readonly mayConnect: AddressCheck;
  readonly onPending: (reason: string) => void;
}

/**
 * One push session as this process holds it. Every command that it sends to its destination passes
 * {@link #write}, which counts what is under way and refuses once the session was told to (C6).
 */
export class PushSession {
  readonly identity: SessionIdentity;
  readonly destination: Destination;
  readonly digests: DigestWalks;
  readonly lanes = new Lanes();
  /** Structural requests of one namespace, one after the other. */
  readonly structure = new KeyedQueues();
  /** Of structural requests, whose numbers are not those of documents. */
  readonly structureLanes = new Lanes();
  /** What other hosts copy through it. */
  readonly ranges: SharedRanges;
  /** Grows with each session of the migration; 0 until it is known. */
  epoch = 0;
  /** Once its row is committed: before that a look into the store does not find it. */
  isEntered = false;
  /** How often its migration was given to another migration host before. */
  hostChanges = 0;
  /** The store was restored from a backup since the migration began, and may not know all that it has made. */
  isRestored = false;
  /**
   * Nothing is sent from then on, by the monotonic clock of this process in milliseconds (rule C14).
   */
  leasedUntil = 0;
  readonly #parts: SessionParts;
  readonly #owned = new Map<string, OwnedNamespace>();
  readonly #series = new Set<string>();
  #refusal: PushError | null = null;
  readonly #refused = new AbortController();
  readonly #structureRecord: StructureRecord;
  #isFenced = false;
  /** The largest number that the store has of this session; -1: none. */
  #lastStructure = -1;
  #inFlight = 0;
  #idle = Promise.withResolvers<void>();

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.destination = new Destination({
      cluster: parts.identity.clusterName,
      uri: parts.uri,
      connectionName: parts.identity.connectionName,
      mayConnect: parts.mayConnect,
      guard: (send) => this.#write(send),
      lastCheck: (purpose) => {
        if (purpose === 'write') this.check();
        else if (this.#isLeaseOver()) throw LEASE_OVER;
      },
      recordStructure: (send) =>
        this.#isFenced
          ? this.#structureRecord.around(send, () => !this.destination.hasUnansweredStructure)
          : send(),
    });
    this.#structureRecord = new StructureRecord(parts.store, parts.identity.id);
    this.digests = new DigestWalks(this.destination);
    this.ranges = new SharedRanges(parts.store);
    this.#idle.resolve();
  }

  /** @throws {PushError} with which the session was told to refuse, or because its lease is over */
  check(): void {
    if (this.#refusal === null && this.#isLeaseOver()) this.refuse(LEASE_OVER);
    if (this.#refusal !== null) throw this.#refusal;
  }

  /** True once it refuses, for whatever reason. */
  get isRefusing(): boolean {
    if (this.#refusal === null && this.#isLeaseOver()) this.refuse(LEASE_OVER);
    return this.#refusal !== null;
  }

  /** Aborts with the reason once it was told to refuse, for whoever waits for something of it. */
  get refused(): AbortSignal {
    return this.#refused.signal;
  }

  /**
   * From now on nothing is sent; what is under way goes on, builds of indexes are aborted. The first
   * reason stays.
   */
  refuse(reason: PushError): void {
    if (this.#refusal !== null) return;
    this.#refusal = reason;
    this.#refused.abort(reason);
    // Once the lease is over, an index of that name may be another session's.
    if (this.#inFlight === 0 || this.#isLeaseOver()) return;
    void this.#counted(() => this.destination.abortBuilds());
  }

  /** The destination enforces numbers: documents are written with them from now on (rule D14). */
  async useFence(): Promise<void> {
    const { id, migrationId } = this.identity;
    await pushSessions.setFenced(this.#parts.store.db, id);
    this.destination.useFence({ migrationId, epoch: this.epoch });
    this.#isFenced = true;
  }

  /**
   * Comes back when each command that the session sent was answered or is proven to be gone, and its
   * connections are closed. The session must have been told to refuse. May be called again.
   * @throws the signal's reason
   */
  async settle(signal: AbortSignal): Promise<void> {
    if (this.#refusal === null) throw new Error('a session settles only once it refuses');
    await untilAborted(this.#idle.promise, signal);
    // A cluster that does not answer keeps a driver from closing: whoever waits is told in time.
    await untilAborted(this.digests.close(), signal);
    await untilAborted(this.destination.close(), signal);
    if (!this.destination.hasUnanswered) return;
    const { id, migrationId, clusterId, connectionName } = this.identity;
    const { store, mayConnect, onPending } = this.#parts;
    await proveGone(
      {
        uri: () => clusters.currentUri(store.db, store.sealer, clusterId),
        connectionName,
        // What others build there is theirs.
        namespaces: this.destination.hasUnansweredStructure ? [...this.#owned.values()] : [],
        mayConnect,
        isNeeded: () => pushSessions.isOpen(store.db, id),
        onPending,
        fence: this.#isFenced ? { migrationId, epoch: this.epoch } : null,
        hasStructure: this.destination.hasUnansweredStructure,
      },
      signal,
    );
  }

  /**
   * Before a structural request is carried out: by its number an older copy of the agent's journal is known
   * when it opens a session (rule D11).
   * @param number 0: it has none
   */
  async noteStructure(number: number): Promise<void> {
    if (number <= this.#lastStructure) return;
    const last = { epoch: this.epoch, number };
    await liveMigrations.setLastStructure(this.#parts.store.db, this.identity.migrationId, last);
    this.#lastStructure = Math.max(this.#lastStructure, number);
  }

  /** Reads what the migration created so far; before the first use of {@link owned}. */
  async loadOwned(): Promise<void> {
    const { store } = this.#parts;
    const rows = await migrationNamespaces.list(store.db, this.identity.migrationId);
    for (const { db, coll, was_there: wasThere } of rows) {
      this.#owned.set(namespaceKey({ db, coll }), { db, coll, wasThere: wasThere === 1 });
    }
  }

  owns(namespace: Namespace): boolean {
    return this.#owned.has(namespaceKey(namespace));
  }

  /**
   * True for a time series that the destination keeps in buckets. Only its buckets may be written: any other
   * name would make a system collection that nobody drops (rule C12).
   */
  async hasBuckets(namespace: Namespace): Promise<boolean> {
    const key = namespaceKey(namespace);
    if (this.#series.has(key)) return true;
    if (!(await hasBuckets(this.destination, namespace))) return false;
    this.#series.add(key);
    return true;
  }

  get ownedNamespaces(): readonly OwnedNamespace[] {
    return [...this.#owned.values()];
  }

  /**
   * What the migration created, in the store first (rules C2, D11). Only the newest session changes what the
   * store has of it.
   */
  get owned(): OwnedNamespaces {
    const { store } = this.#parts;
    const row = ({ db, coll }: Namespace) => ({
      migration_id: this.identity.migrationId,
      db,
      coll,
    });
    return {
      mayLack: this.isRestored,
      has: async (namespace) => this.owns(namespace),
      wasThere: async (namespace) => this.#owned.get(namespaceKey(namespace))?.wasThere === true,
      add: async ({ db, coll, wasThere }) => {
        this.check();
        const recorded = { ...row({ db, coll }), was_there: wasThere ? 1 : 0 };
        if (!(await this.#record(migrationNamespaces.add(store.db, recorded, this.epoch)))) {
          this.refuse(FENCED);
          throw FENCED;
        }
        this.#owned.set(namespaceKey({ db, coll }), { db, coll, wasThere });
      },
      remove: async (namespace) => {
        await this.#record(migrationNamespaces.remove(store.db, row(namespace), this.epoch));
        this.#owned.delete(namespaceKey(namespace));
        this.#series.delete(namespaceKey(namespace));
      },
    };
  }

  /** What was not answered may come at any time: only a newer session is safe from it. */
  async #record<T>(statement: Promise<T>): Promise<T> {
    try {
      return await statement;
    } catch (error) {
      if (!this.#parts.store.dialect.isOver(error)) this.refuse(UNRECORDED);
      throw error;
    }
  }

  async #write<T>(send: () => Promise<T>): Promise<T> {
    this.check();
    try {
      return await this.#counted(send);
    } catch (error) {
      if (error instanceof DestinationRefusedError && isFencedOff(error.code)) this.refuse(FENCED);
      if (!this.destination.hasUnanswered) throw error;
      // What was sent may be carried out any time: nothing may overtake it (rule D13).
      this.refuse(
        new PushError(
          'SESSION_UNKNOWN',
          `The connection to cluster ${this.identity.clusterName} broke while something was being written: a new session waits until that has ended.`,
        ),
      );
      this.check();
      throw error;
    }
  }

  #isLeaseOver(): boolean {
    return performance.now() >= this.leasedUntil;
  }

  async #counted<T>(send: () => Promise<T>): Promise<T> {
    if (this.#inFlight === 0) this.#idle = Promise.withResolvers<void>();
    this.#inFlight += 1;
    try {
      return await send();
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#idle.resolve();
    }
  }
}

/** Waits no longer than the signal allows. @throws the signal's reason */
async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
