import type {
  DestinationListing,
  ReconcileRequest,
  StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import type {
  DigestReply,
  DigestRequest,
  KeyDigestReply,
  KeyDigestRequest,
} from '@linkspan/contract/push/digest.ts';
import type { RangesReply, RangesRequest } from '@linkspan/contract/push/ranges.ts';
import type { WriteOperation } from '@linkspan/contract/push/batch.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import type {
  Complete,
  CutoverFailed,
  DocumentsReply,
  StructureReply,
  StructuresReply,
} from '@linkspan/contract/push/session.ts';

/** Documents of one namespace for one operation, raw, in the order to be written. Never empty. */
export interface DocumentBatch {
  readonly op: WriteOperation;
  readonly db: string;
  readonly coll: string;
  /** The documents are buckets of that time series (rule D20). */
  readonly buckets?: true;
  /** The caller has one batch of a lane under way at most (rule D13). */
  readonly lane: number;
  /** Raw BSON: documents, or document keys for `delete`. At most MAX_BATCH_BYTES plus one document. */
  readonly documents: readonly Uint8Array[];
}

/** What a tracking host says of its ranges; the pusher counts. */
export type RangesToSay = Omit<RangesRequest, 'seq'>;

/** What the server says of the work that a session goes on with. */
export interface OpenedSession {
  /** Grows with each session of the migration; 1: there was none before. */
  readonly epoch: number;
  /** How often the migration was given to another migration host. */
  readonly hostChanges: number;
  /** The structural request that was carried out last, in whatever session; absent: the server does not say. */
  readonly lastStructure?: { readonly epoch: number; readonly number: number };
}

/** Keeps what is said to the server where an older copy of it can be told from it (rule D11). */
export interface SessionRecord {
  /**
   * Called with each session, the first one and those that take the place of a lost one, before anything is
   * pushed in it. What it throws ends the opening.
   */
  opened(session: OpenedSession): void;
  /** The number of a structural request that is about to be sent: it counts those of the session, for good. */
  nextStructure(): number;
}

/**
 * What a migration pushes through. It hides connections, retries, a server that restarted and push
 * sessions: a call comes back when the destination has acknowledged, or it rejects with one of the
 * final errors of `errors.ts`, or with the signal's reason. Everything else is tried again for as
 * long as it takes; `waiting` says why meanwhile.
 *
 * A call whose session was lost is made again in a new session, which the server opens only when no
 * write of the older one can land any more. So a call may take effect more than once, never late.
 */
export interface Pusher {
  /** Opens the first session. @param record absent: structural requests have no number */
  open(signal: AbortSignal, record?: SessionRecord): Promise<OpenedSession>;
  pushDocuments(batch: DocumentBatch, signal: AbortSignal): Promise<DocumentsReply>;
  structure(request: StructureRequest, signal: AbortSignal): Promise<StructureReply>;
  /** Up to `MAX_STRUCTURES` of different namespaces; each is refused by itself. */
  structures(requests: readonly ReconcileRequest[], signal: AbortSignal): Promise<StructuresReply>;
  /** With `namesOnly`, which is the rule, options and indexes are empty; `counted` counts documents. */
  listing(
    signal: AbortSignal,
    options?: { readonly namesOnly: boolean; readonly counted?: boolean },
  ): Promise<DestinationListing>;
  /** Rejects with {@link DigestCursorLostError} when the walk has to begin again. */
  digest(request: DigestRequest, signal: AbortSignal): Promise<DigestReply>;
  keyDigests(request: KeyDigestRequest, signal: AbortSignal): Promise<KeyDigestReply>;
  /**
   * Says which ranges other hosts may copy, and hears how they stand.
   * @param make says it as it is at the moment; called anew for each session, which knows nothing of those
   *   before it, with its epoch
   */
  ranges(make: (epoch: number) => RangesToSay, signal: AbortSignal): Promise<RangesReply>;
  report(progress: Progress, signal: AbortSignal): Promise<void>;
  complete(message: Complete, signal: AbortSignal): Promise<void>;
  cutoverFailed(message: CutoverFailed, signal: AbortSignal): Promise<void>;
  fail(reason: string, signal: AbortSignal): Promise<void>;
  /** Tells the server that no more comes from this session. Never rejects. */
  close(): Promise<void>;
  /** Why calls are being tried again now, in words, or null. */
  readonly waiting: string | null;
  /** The same, but for calls that only take long, as builds of indexes do. */
  readonly away: string | null;
  /** Bytes sent on the wire, after compression. */
  readonly bytesSent: number;
}

/** Those of a batch that the destination has taken; the items stand in the order of its documents. */
export function acceptedOf<T>(items: readonly T[], { failures }: DocumentsReply): T[] {
  if (failures.length === 0) return [...items];
  const refused = new Set(failures.map(({ index }) => index));
  return items.filter((_, index) => !refused.has(index));
}
