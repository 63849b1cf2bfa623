import { setTimeout as sleep } from 'node:timers/promises';
import { MongoError } from 'mongodb';
import type { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import type { Pusher } from '../push/pusher.ts';
import { HistoryLostError } from '../source/changeStream.ts';
import type { SourceConnection } from '../source/connection.ts';
import { SourceUnreachableError } from '../source/connection.ts';
import type { ByteBudget } from './budget.ts';
import type { TrackedGate } from './gate.ts';
import type { Lives } from './lives.ts';
import type { IncarnationLocks } from './locks.ts';
import type { Meter } from './meter.ts';
import type { Notifier } from './notifier.ts';
import type { Sizes } from './sizes.ts';
import type { Throttle } from './throttle.ts';
import type { Waiting } from './waiting.ts';

/** The part of pino that the engine uses. */
export interface EngineLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Sizes that tests make small. */
export interface EngineOptions {
  /** Bytes of documents read and not yet acknowledged. */
  readonly inFlightBytes: number;
  /** Collections copied at once, of those that take more than one reply of the source. */
  readonly collectionsAtOnce: number;
  /** Bytes of one range; a collection is cut into as many, up to `rangesAtMost`. */
  readonly rangeBytes: number;
  readonly rangesAtMost: number;
  /** Ranges of one collection that one host copies at once; other hosts may copy what is left. */
  readonly rangesAtOnce: number;
  /** How long a server may take to begin to answer a read in the order of `_id`, to be asked for ranges. */
  readonly slowStartMs: number;
  /** Bytes of documents that one push of the copy aims at. */
  readonly copyBatchBytes: number;
  /** Documents that verification compares by one digest. */
  readonly verifyChunk: number;
  /** Keys of each side, of 128 bytes, that it keeps in memory until the other side shows them. */
  readonly unmatchedAtMost: number;
  /** Keys of a collection that are noted to be compared by themselves, before they are counted for more. */
  readonly pushedKeysAtMost: number;
  /** Milliseconds from one count of them to the next. */
  readonly countKeysMs: number;
  /** Milliseconds that a cutover may take to drain. */
  readonly drainMs: number;
  /** Milliseconds until a write block is tried again to be lifted where the source has refused that. */
  readonly liftAgainMs: number;
  /** Milliseconds that a document may go on being refused by what was reconciled, before the migration ends. */
  readonly refusedMs: number;
}

export const DEFAULT_OPTIONS: EngineOptions = {
  inFlightBytes: 8 * 1024 * 1024,
  collectionsAtOnce: 2,
  rangeBytes: 64 * 1024 * 1024,
  rangesAtMost: 64,
  rangesAtOnce: 8,
  slowStartMs: 250,
  copyBatchBytes: 1024 * 1024,
  verifyChunk: 1000,
  unmatchedAtMost: 50_000,
  pushedKeysAtMost: 200_000,
  countKeysMs: 10_000,
  drainMs: 10 * 60_000,
  liftAgainMs: 30_000,
  // For somebody to see the warning and help, and for most builds of an index at the source to end: until
  // then it takes what the destination, which is done, refuses.
  refusedMs: 60 * 60_000,
};

/** Points at which tests hold the engine or look at it; none does anything by itself. */
export interface EngineHooks {
  /** After documents were read and before the stream is waited for. */
  afterRead?(what: 'copy' | 'flush' | 'verify', namespace: string): Promise<void>;
  /** After all of the source, or one name of it by itself, was listed and before that counts. */
  afterSourceListing?(what: string): Promise<void>;
  /** After a host has taken a range of another's migration, and before it reads it. */
  beforeRange?(): Promise<void>;
  /** While what it has read is held back, since the tracking host has not passed it. */
  whileUntracked?(): Promise<void>;
  /** Once a host that copies ranges of another's migration may push what it read, and before it does. */
  beforeRangePush?(namespace: string): Promise<void>;
  /** After the listing of a reconciliation and before it is pushed. */
  afterListing?(namespace: string): Promise<void>;
  /** Before a collection is compared, from its start or from where it stopped, or some of its keys. */
  beforeVerifying?(namespace: string): Promise<void>;
  /** Before each step of a cutover. */
  beforeCutoverStep?(step: CutoverStep): Promise<void>;
  /** Once all is proved: before the server is told that the cutover is done, and once it knows. */
  beforeCompleteIsTold?(): Promise<void>;
  afterCompleteIsTold?(): Promise<void>;
}

/** What all steps of one running migration share. */
export interface MigrationContext {
  readonly id: string;
  /** What is moved, and what it is called at the destination. */
  readonly selection: Selection;
  readonly source: SourceConnection;
  readonly journal: Journal;
  readonly pusher: Pusher;
  readonly log: EngineLog;
  readonly signal: AbortSignal;
  readonly options: EngineOptions;
  readonly hooks: EngineHooks;
  readonly gate: TrackedGate;
  readonly lives: Lives;
  readonly locks: IncarnationLocks;
  readonly inFlight: ByteBudget;
  readonly sizes: Sizes;
  /** Stands before every push of documents. */
  readonly throttle: Throttle;
  /** Something changed that may be work for a step. */
  readonly work: Notifier;
  readonly waiting: Waiting;
  readonly meter: Meter;
}

/** The steps of a cutover in their order; see `cutover.ts`. */
export type CutoverStep =
  | 'BLOCK_WRITES'
  | 'DRAIN'
  | 'UNIQUE_INDEXES'
  | 'VERIFY'
  | 'TTL_LIVE'
  | 'COMPARE'
  | 'LOOK_AGAIN';

/** The cutover cannot be a success; the migration goes on working (rule D22). */
export class CutoverFailedError extends Error {
  override readonly name = 'CutoverFailedError';
}

/** The migration cannot go on; the server is told why and it becomes FAILED. */
export class MigrationFailedError extends Error {
  override readonly name = 'MigrationFailedError';
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5000;

/**
 * Milliseconds before another attempt: from 0.1 s doubled up to 5 s, each cut by up to a half at
 * random, so that many migrations do not come back to a source at once.
 * @param times how often in a row it has failed
 */
export function pauseAfter(times: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(times - 1, 10));
  return pause * (0.5 + Math.random() / 2);
}

/**
 * Runs something against the source until it succeeds; meanwhile the reason is shown as what the
 * migration waits for. Lost history and errors that are not the database's are thrown.
 */
export async function persist<T>(
  context: Pick<MigrationContext, 'signal' | 'waiting' | 'log'>,
  what: string,
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    context.signal.throwIfAborted();
    try {
      const result = await attempt();
      context.waiting.clear(what);
      return result;
    } catch (error) {
      if (!isSourceFault(error)) throw error;
      context.signal.throwIfAborted();
      const times = context.waiting.set(what, `${what}: ${error.message}`);
      context.log.warn({ what, reason: error.message }, 'trying again');
      await sleep(pauseAfter(times), undefined, { signal: context.signal });
    }
  }
}

/** True if documents of the collection may be read at both sides under the names that it has. */
export function isReady(journal: Journal, incarnation: Incarnation): boolean {
  const { id, state, destination, unsupported } = incarnation;
  return (
    state === 'COPIED' &&
    destination !== null &&
    unsupported === null &&
    !journal.structural.concerns(id)
  );
}

/** A socket's own errors, which the driver lets through where the other end went between two commands. */
const SOCKET_FAULTS: ReadonlySet<unknown> = new Set([
  'EPIPE',
  'ECONNRESET',
  'ECONNREFUSED',
  'ETIMEDOUT',
]);

/** True for what the driver reports of a source: to be tried again, for as long as it takes. */
export function isSourceFault(error: unknown): error is Error {
  if (error instanceof HistoryLostError) return false;
  if (error instanceof MongoError || error instanceof SourceUnreachableError) return true;
  return error instanceof Error && SOCKET_FAULTS.has((error as NodeJS.ErrnoException).code);
}
