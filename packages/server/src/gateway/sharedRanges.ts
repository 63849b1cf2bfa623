import { setTimeout as delay } from 'node:timers/promises';

import {
  isTracked,
  type RangesRequest,
  type RangeStanding,
  type TrackedTime,
} from '@linkspan/contract/push/ranges.ts';
import { namespaceKey, type Namespace } from '@linkspan/contract/push/namespaces.ts';

import * as subLeases from '../store/subLeases.ts';
import type { Store } from '../store/store.ts';
import { PushError } from './errors.ts';
import { SharedRange, type SubLease } from './subLease.ts';

/** How often whoever waits looks again although nothing woke it, in milliseconds. */
const LOOK_EVERY_MS = 200;
const COUNT_EVERY_MS = 2000;

/**
 * The ranges of one push session that its tracking host offers to other hosts, and their sub-leases. They
 * live with the session, in the memory of the node that holds it; only which hosts have a sub-lease is in
 * the store, from before the host is told until nothing of it is under way.
 */
export class SharedRanges {
  readonly #store: Store;
  readonly #ranges = new Map<number, SharedRange>();
  readonly #waiting = new Set<() => void>();
  #seq = 0;
  #sourceIdentity = '';
  #tracked: TrackedTime = { time: 0n, through: false };
  #version = 0;
  #isAnnounced = false;
  #hasNews = false;
  #helpers: { readonly count: number; readonly at: number } | null = null;

  constructor(store: Store) {
    this.#store = store;
  }

  get tracked(): TrackedTime {
    return this.#tracked;
  }

  get sourceIdentity(): string {
    return this.#sourceIdentity;
  }

  /** Grows whenever something changes: see {@link changed}. */
  get version(): number {
    return this.#version;
  }

  /**
   * Makes the offers equal to the list. In one turn of the event loop: no host is told of the tracked time
   * before the ranges are taken back whose name was another's by then (rule D7).
   * @param isOwned whether the migration has made the collection at the destination (rule D11)
   * @throws {PushError} LANE_STALE for a request that is older than the last one
   */
  apply(request: RangesRequest, isOwned: (namespace: Namespace) => boolean): void {
    if (request.seq < this.#seq) {
      throw new PushError('LANE_STALE', 'a later list of ranges was taken before this one');
    }
    this.#seq = request.seq;
    const wanted = new Map(request.ranges.map((offer) => [offer.id, offer]));
    for (const [id, range] of this.#ranges) {
      if (wanted.has(id)) continue;
      range.takeBack();
      if (range.end !== null) this.#ranges.delete(id);
    }
    for (const [id, offer] of wanted) {
      const range = this.#ranges.get(id) ?? new SharedRange(offer);
      this.#ranges.set(id, range);
      const isBack = offer.takeBack === 'NOW' || (offer.takeBack === 'IF_FREE' && range.isFree);
      if (isBack || !isOwned(range.target)) range.takeBack();
    }
    this.#sourceIdentity = request.sourceIdentity;
    this.#tracked = request.tracked;
    this.#notify();
  }

  /** Something happened that the tracking host is to hear of. */
  note(): void {
    this.#hasNews = true;
    this.#notify();
  }

  /** Whether something was noted since the last time. */
  takeNews(): boolean {
    const had = this.#hasNews;
    this.#hasNews = false;
    return had;
  }

  /** Hosts that could copy, counted now and then. */
  async helpers(count: () => Promise<number>): Promise<number> {
    const at = performance.now();
    if (this.#helpers === null || at - this.#helpers.at > COUNT_EVERY_MS) {
      this.#helpers = { count: await count(), at };
    }
    return this.#helpers.count;
  }

  /** Tells whoever waits for work whether there is some, once it changes. */
  async announce(sessionId: string, tell: () => void): Promise<void> {
    const isOffering = this.#ranges.values().some(({ end }) => end === null);
    if (isOffering === this.#isAnnounced) return;
    await subLeases.setOffers(this.#store.db, sessionId, isOffering);
    this.#isAnnounced = isOffering;
    tell();
  }

  standings(): RangeStanding[] {
    return [...this.#ranges.values()].map(({ standing }) => standing);
  }

  /** The earliest time that a host waits for and that is not tracked yet. */
  get waitedFor(): bigint | null {
    const times = this.#leases()
      .map(({ waitsFor }) => waitsFor)
      .filter((time) => time !== null && !isTracked(time, this.#tracked));
    return times.reduce<bigint | null>(
      (first, time) => (first === null || (time !== null && time < first) ? time : first),
      null,
    );
  }

  /** Migration hosts that have a sub-lease. */
  hosts(): ReadonlySet<string> {
    return new Set(this.#leases().map(({ hostId }) => hostId));
  }

  /** One that nobody copies. */
  free(): SharedRange | undefined {
    return this.#ranges.values().find(({ isFree }) => isFree);
  }

  find(subLeaseId: string): SharedRange | undefined {
    return this.#ranges.values().find(({ lease }) => lease?.id === subLeaseId);
  }

  /**
   * Ends what is over: a range whose sub-lease has ended and has nothing under way is done or returned.
   * @throws {StoreUnavailableError} and ends nothing then
   */
  async settle(): Promise<void> {
    const over: { readonly range: SharedRange; readonly lease: SubLease }[] = [];
    for (const range of this.#ranges.values()) {
      const { lease } = range;
      if (lease?.isSettled === true) over.push({ range, lease });
    }
    await subLeases.remove(
      this.#store.db,
      over.map(({ lease }) => lease.id),
    );
    for (const { range, lease } of over) {
      // Somebody else may have come first.
      if (range.lease !== lease) continue;
      range.end = lease.ended;
      range.lease = null;
    }
    if (over.length > 0) this.note();
  }

  /**
   * Takes ranges back: those of a collection that is dropped or renamed (rule D16), or the ones that a host
   * copies. Comes back once nothing of them is under way.
   * @throws the signal's reason, {StoreUnavailableError}
   */
  async end(
    of: { readonly namespace: Namespace } | { readonly hostId: string },
    signal: AbortSignal,
  ): Promise<void> {
    const isMeant = (range: SharedRange): boolean =>
      'hostId' in of
        ? range.lease?.hostId === of.hostId
        : range.end === null && namespaceKey(range.target) === namespaceKey(of.namespace);
    for (;;) {
      signal.throwIfAborted();
      const { version } = this;
      const meant = [...this.#ranges.values()].filter(isMeant);
      for (const range of meant) range.takeBack();
      await this.settle();
      if (!this.#ranges.values().some(isMeant)) return;
      await this.changed(version, LOOK_EVERY_MS, signal);
    }
  }

  #notify(): void {
    this.#version += 1;
    for (const wake of this.#waiting) wake();
  }

  /** Comes back when something has changed since `version`, after the time, or with the signal. Never rejects. */
  async changed(version: number, ms: number, signal: AbortSignal): Promise<void> {
    if (version !== this.#version || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const stop = new AbortController();
    this.#waiting.add(resolve);
    const either = AbortSignal.any([signal, stop.signal]);
    const late = delay(ms, undefined, { signal: either }).catch(() => undefined);
    await Promise.race([promise, late]);
    stop.abort();
    this.#waiting.delete(resolve);
  }

  #leases(): SubLease[] {
    return [...this.#ranges.values()]
      .map(({ lease }) => lease)
      .filter((lease) => lease !== null && lease.ended === null) as SubLease[];
  }
}
