/**
 * The copy of one migration on several migration hosts, since version 3. The *tracking host* pushes through
 * the migration's push session; it offers ranges of `_id`, and *copying hosts* of the same link, which read
 * the same deployment, copy them through sub-leases of that session. One BSON document each way; times are
 * cluster times as 64-bit integers, keys are raw `{_id: …}` as binary.
 */

/** Up to where the tracking host has read the change stream: see rule D7. */
export interface TrackedTime {
  readonly time: bigint;
  /** No more comes at that time itself. */
  readonly through: boolean;
}

/** A range that any host may copy. Never of a capped collection or a time series. */
export interface RangeToCopy {
  /** The collection at the source, and its name at the destination. */
  readonly db: string;
  readonly coll: string;
  readonly toDb: string;
  readonly toColl: string;
  /** Inclusive; null: from the first. */
  readonly lower: Uint8Array | null;
  /** Exclusive; null: to the last. */
  readonly upper: Uint8Array | null;
  /** Everything up to this key is there already. */
  readonly position: Uint8Array | null;
  /** Reads are no older than that (rule D6). */
  readonly since: bigint;
}

/**
 * Whether the tracking host wants a range for itself: `IF_FREE`, unless another host copies it already;
 * `NOW`, because what is read of it may belong to another collection.
 */
export type TakeBack = 'IF_FREE' | 'NOW';

export interface OfferedRange extends RangeToCopy {
  /** Never used again for another offer of the session. */
  readonly id: number;
  readonly takeBack: TakeBack | null;
}

/** Ranges of one exchange at most. */
export const MAX_OFFERED_RANGES = 256;

/**
 * `POST /sessions/{id}/ranges`: the tracking host says which ranges it offers, and hears how they stand. What
 * is not in the list any more is not offered any more. Answered at once where something has changed since
 * the last answer, else within {@link RANGES_WAIT_MS}.
 */
export interface RangesRequest {
  /** Counts the requests of the session from 1: an older one that comes late is refused. */
  readonly seq: number;
  /**
   * A host may push what it read up to that time: of none of the ranges that are not taken back did the
   * name belong to another collection by then.
   */
  readonly tracked: TrackedTime;
  /** Hosts copy only from the deployment that has this identity. */
  readonly sourceIdentity: string;
  readonly ranges: readonly OfferedRange[];
}

export const RANGES_WAIT_MS = 250;

/**
 * - `OFFERED`: nobody copies it.
 * - `TAKEN`: a host has a sub-lease of it, or what it sent is still being written.
 * - `DONE`: all of it is at the destination; nothing of it is under way.
 * - `RETURNED`: it is the tracking host's again, from `position` on; nothing of it is under way.
 */
export type RangeState = 'OFFERED' | 'TAKEN' | 'DONE' | 'RETURNED';

/** Amounts are of the prefix that was acknowledged without a gap (rule D9), since it was offered. */
export interface CopiedPrefix {
  readonly position: Uint8Array | null;
  readonly documents: number;
  readonly bytes: number;
  /** Sent after compression, acknowledged or not. */
  readonly wireBytes: number;
}

export interface RangeStanding extends CopiedPrefix {
  readonly id: number;
  readonly state: RangeState;
}

export interface RangesReply {
  /** Other hosts of the link that are in touch and read the deployment. */
  readonly hosts: number;
  /** Those of them that copy now: the migration's throttle holds for all together. */
  readonly copying: number;
  /** The earliest time that a copying host waits for to be tracked, or null. */
  readonly waitedFor: bigint | null;
  readonly ranges: readonly RangeStanding[];
}

/**
 * `POST /sessions/{id}/subLeases`, an empty document, by a host that was given the session as work: takes
 * one of the ranges that are offered.
 */
export interface SubLeaseReply {
  /** null: none is left now. */
  readonly subLease: SubLeaseGranted | null;
}

/**
 * With the header `linkspan-session: <id>.<secret>`, `POST /sessions/{session}/subLeases/documents` takes
 * batches of inserts as that of a session does. A sub-lease ends with its session, when its range is taken
 * back, and when its host is silent for {@link SUB_LEASE_MS}; it answers SUB_LEASE_ENDED from then on.
 */
export interface SubLeaseGranted extends RangeToCopy {
  readonly id: string;
  readonly secret: string;
  readonly sourceIdentity: string;
}

/** By the server's clock, since the host was heard of. */
export const SUB_LEASE_MS = 6_000;

/**
 * `POST /sessions/{session}/subLeases/report`: what is copied by now. Sent at least every second or two, and
 * answered at once where `waitFor` is null or tracked, else within {@link SUB_LEASE_WAIT_MS}.
 */
export interface SubLeaseReport extends CopiedPrefix {
  /** `DONE`: all of the range; `RETURNED`: the host gives it back. null: it goes on. */
  readonly end: 'DONE' | 'RETURNED' | null;
  /** The time of a read that is to be pushed once it is tracked. */
  readonly waitFor: bigint | null;
}

export const SUB_LEASE_WAIT_MS = 1000;

export interface SubLeaseReportReply {
  readonly tracked: TrackedTime;
  /** Hosts that copy now, the tracking host not counted. */
  readonly copying: number;
}

/** Whether every event up to and including `time` is known to the tracking host. */
export function isTracked(time: bigint, tracked: TrackedTime): boolean {
  return time < tracked.time || (time === tracked.time && tracked.through);
}
