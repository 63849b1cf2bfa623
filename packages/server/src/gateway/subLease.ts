import {
  SUB_LEASE_MS,
  type CopiedPrefix,
  type OfferedRange,
  type RangeStanding,
} from '@linkspan/contract/push/ranges.ts';
import {
  formatNamespace,
  namespaceKey,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';

import { PushError } from './errors.ts';
import { Lanes } from './queues.ts';

export const SUB_LEASE_OVER = new PushError(
  'SUB_LEASE_ENDED',
  'The sub-lease is over: its range was copied, taken back, or its host was silent.',
);

const NOTHING: CopiedPrefix = { position: null, documents: 0, bytes: 0, wireBytes: 0 };

/** How a range ends. */
export type RangeEnd = 'DONE' | 'RETURNED';

/**
 * By which one migration host copies one range through the push session of another one. What it sends
 * passes the session's own guards, so that whatever ends the session ends it, too (invariants I1, I5).
 */
export class SubLease {
  readonly id: string;
  readonly hostId: string;
  readonly secretHash: Buffer;
  readonly lanes = new Lanes();
  /** Where it may write. */
  readonly #target: Namespace;
  readonly #onIdle: () => void;
  #renewedAt = performance.now();
  #end: RangeEnd | null = null;
  #inFlight = 0;
  /** The time of a read that its host waits for to be tracked. */
  waitsFor: bigint | null = null;

  constructor(
    identity: { readonly id: string; readonly hostId: string; readonly secretHash: Buffer },
    target: Namespace,
    onIdle: () => void,
  ) {
    this.id = identity.id;
    this.hostId = identity.hostId;
    this.secretHash = identity.secretHash;
    this.#target = target;
    this.#onIdle = onIdle;
  }

  /** How it ended, or null. One whose host was silent too long gives its range back. */
  get ended(): RangeEnd | null {
    if (performance.now() - this.#renewedAt > SUB_LEASE_MS) this.end('RETURNED');
    return this.#end;
  }

  /** True once nothing that came through it is under way, nor will be. */
  get isSettled(): boolean {
    return this.ended !== null && this.#inFlight === 0;
  }

  /** @throws {PushError} SUB_LEASE_ENDED */
  check(): void {
    if (this.ended !== null) throw SUB_LEASE_OVER;
  }

  /** Its host was heard of. @throws {PushError} SUB_LEASE_ENDED */
  renew(): void {
    this.check();
    this.#renewedAt = performance.now();
  }

  /** Nothing begins any more; what is under way goes on. The first end stays. */
  end(how: RangeEnd): void {
    this.#end ??= how;
  }

  /**
   * Runs a push from its arrival to its answer.
   * @throws {PushError} SUB_LEASE_ENDED; NAMESPACE_REFUSED for another collection than that of the range
   */
  async run<T>(namespace: Namespace, task: () => Promise<T>): Promise<T> {
    this.check();
    if (namespaceKey(namespace) !== namespaceKey(this.#target)) {
      throw new PushError(
        'NAMESPACE_REFUSED',
        `${formatNamespace(namespace)} is not the collection of the range.`,
      );
    }
    this.#inFlight += 1;
    try {
      return await task();
    } finally {
      this.#inFlight -= 1;
      if (this.#inFlight === 0) this.#onIdle();
    }
  }
}

/** A range that the tracking host offers, and how it stands. */
export class SharedRange {
  readonly offer: OfferedRange;
  readonly target: Namespace;
  copied: CopiedPrefix = NOTHING;
  lease: SubLease | null = null;
  /** Once it has one nothing of it is under way. */
  end: RangeEnd | null = null;

  constructor(offer: OfferedRange) {
    this.offer = offer;
    this.target = { db: offer.toDb, coll: offer.toColl };
  }

  get isFree(): boolean {
    return this.end === null && this.lease === null;
  }

  /** The tracking host has it back as soon as nothing of it is under way. */
  takeBack(): void {
    if (this.lease !== null) this.lease.end('RETURNED');
    else this.end ??= 'RETURNED';
  }

  get standing(): RangeStanding {
    const state = this.end ?? (this.lease === null ? 'OFFERED' : 'TAKEN');
    return { id: this.offer.id, state, ...this.copied };
  }
}
