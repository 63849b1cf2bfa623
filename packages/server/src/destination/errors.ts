import {
  MongoError,
  MongoServerError,
  MongoServerSelectionError,
  MongoWriteConcernError,
  type Document,
} from 'mongodb';

/** The destination cluster cannot be reached or is not ready: the same request again later. */
export class DestinationUnavailableError extends Error {
  override readonly name = 'DestinationUnavailableError';
}

/** The destination cluster refused for good, for example for lack of a privilege. */
export class DestinationRefusedError extends Error {
  override readonly name = 'DestinationRefusedError';
  /** The server's code, where it sent one. */
  readonly code: number | null;

  constructor(message: string, code: number | null, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** A collection, index or view cannot be made as it is wanted; the message says what and why. */
export class StructureRefusedError extends Error {
  override readonly name = 'StructureRefusedError';
  /** Raw keys of documents that a unique index cannot hold together, where they were found (rule D17). */
  readonly holders: readonly Buffer[];

  constructor(
    message: string,
    { holders = [], ...options }: ErrorOptions & { readonly holders?: readonly Buffer[] } = {},
  ) {
    super(message, options);
    this.holders = holders;
  }
}

/** A collection of which the agent knows that it had been made is not there any more: somebody dropped it. */
export class NamespaceGoneError extends StructureRefusedError {}

/**
 * Codes of states that pass: elections, shutdowns, time limits, conflicts, a full disk, a write
 * block. Source: `src/mongo/base/error_codes.yml` of the server.
 */
const TRANSIENT = new Set([
  6, // HostUnreachable
  7, // HostNotFound
  24, // LockTimeout
  46, // LockBusy
  50, // MaxTimeMSExpired
  63, // StaleShardVersion
  64, // WriteConcernTimeout
  79, // UnknownReplWriteConcern
  89, // NetworkTimeout
  90, // CallbackCanceled
  91, // ShutdownInProgress
  100, // UnsatisfiableWriteConcern
  112, // WriteConflict
  117, // ConflictingOperationInProgress
  133, // FailedToSatisfyReadPreference
  134, // ReadConcernMajorityNotAvailableYet
  150, // StaleEpoch
  189, // PrimarySteppedDown
  202, // NetworkInterfaceExceededTimeLimit
  246, // SnapshotUnavailable
  262, // ExceededTimeLimit
  276, // IndexBuildAborted
  317, // ConnectionPoolExpired
  358, // InternalTransactionNotSupported
  371, // UserWritesBlocked
  402, // ResourceExhausted
  9001, // SocketException
  10107, // NotWritablePrimary
  11600, // InterruptedAtShutdown
  11601, // Interrupted
  11602, // InterruptedDueToReplStateChange
  12586, // BackgroundOperationInProgressForDatabase
  12587, // BackgroundOperationInProgressForNamespace
  13388, // StaleConfig
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
  14031, // OutOfDiskSpace
]);

/** True for a code that says nothing about the request: the same one may go through later. */
export function isTransientCode(code: number): boolean {
  return TRANSIENT.has(code);
}

/**
 * A primary that steps down or shuts down. A `mongod` answers `createIndexes` with one of these, mostly
 * `InterruptedDueToReplStateChange`, and a build in two phases goes on: the next primary commits it.
 * Source: `runCreateIndexesWithCoordinator` of the server (`create_indexes.cpp`, 4.4 and newer), which
 * says so of 11602 and of the category `NotPrimaryError`; builds are taken up again after a shutdown.
 */
const NO_PRIMARY = [
  91, // ShutdownInProgress
  189, // PrimarySteppedDown
  10107, // NotWritablePrimary
  11600, // InterruptedAtShutdown
  11602, // InterruptedDueToReplStateChange
  13435, // NotPrimaryNoSecondaryOk
  13436, // NotPrimaryOrSecondary
] as const;

/**
 * What a mongos answers by itself while a shard may still carry the command out: it lost the shard, or its
 * own time is over. As the command's error, as one of a shard in `raw`, or as one of a document in an `ok: 1`
 * reply ("Write results unavailable from …"). Source: `batch_write_exec.cpp` and
 * `appendRawResponses` of the server.
 */
const SHARD_LOST = [
  6, // HostUnreachable
  7, // HostNotFound
  50, // MaxTimeMSExpired
  89, // NetworkTimeout
  90, // CallbackCanceled
  202, // NetworkInterfaceExceededTimeLimit
  262, // ExceededTimeLimit
  9001, // SocketException
  11601, // Interrupted
] as const;

const GOES_ON = new Set<number>(NO_PRIMARY);
/** It also tries again by itself, and answers with what came of the last time. */
const GOES_ON_BEHIND_MONGOS = new Set<number>([...NO_PRIMARY, ...SHARD_LOST]);

/** What kind of command: only documents can carry a number (rule D14). */
export type Kind = 'documents' | 'structure';

/** Of a command that was sent. */
export interface Sent {
  readonly kind: Kind;
  /** To a mongos, or to what may be one. */
  readonly isRouted: boolean;
}

/**
 * True if what was sent may still be carried out, although there is a reply: see {@link NO_PRIMARY} and
 * {@link SHARD_LOST}. A `mongod` that answers a write of documents has ended it.
 */
export function mayGoOnAfter(reply: Document, { kind, isRouted }: Sent): boolean {
  if (kind === 'documents' && !isRouted) return false;
  const goesOn = isRouted ? GOES_ON_BEHIND_MONGOS : GOES_ON;
  const ofShards = Object.values((reply['raw'] ?? {}) as Document);
  const errors = [reply, ...ofShards, ...(reply['writeErrors'] ?? [])] as Document[];
  return errors.some((one) => goesOn.has(Number(one['code'])));
}

/** True if what was sent may still be carried out: it was not answered, or not in a way that ends it. */
export function mayGoOn(error: unknown, sent: Sent): boolean {
  // A command for which no server was found was not sent.
  if (error instanceof MongoServerSelectionError) return false;
  if (!(error instanceof MongoServerError)) return true;
  // What it says of the write concern is about something that was done.
  const isDone = error instanceof MongoWriteConcernError;
  return mayGoOnAfter(isDone ? error.result : error.errorResponse, sent);
}

/** The server's code of an error reply, or null. */
export function serverCode(error: unknown): number | null {
  if (!(error instanceof MongoServerError) || error.code === undefined) return null;
  // Where values are not promoted the driver leaves an Int32 here.
  const code = Number(error.code);
  return Number.isNaN(code) ? null : code;
}

/** A user name or password that the cluster does not know; 8000 is Atlas's own. */
const AUTHENTICATION_FAILED = new Set([18, 8000]);

export function isAuthenticationFailure(error: unknown): boolean {
  const code = serverCode(error);
  return code !== null && AUTHENTICATION_FAILED.has(code);
}

/** Why something cannot be done at a cluster now, and what to do where only a person can. */
export function obstacleOf(error: unknown): string {
  if (!isAuthenticationFailure(error)) return reasonOf(error);
  return 'it refuses the user name or password of its connection string: change that with `linkspan clusters update`';
}

/** The text of any error, cut to a line's length, without what may be credentials in a URI. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .replaceAll(/\/\/\S*@/g, '//')
    .replaceAll(/\s+/g, ' ')
    .slice(0, 500);
}

/**
 * Sorts what the driver threw. Errors of this file, and errors that are not the driver's, come back
 * as they are.
 * @param cluster the destination cluster's name
 * @param doing what was tried, as in "insert into db.coll"
 */
export function destinationError(cluster: string, doing: string, error: unknown): unknown {
  if (!(error instanceof MongoError)) return error;
  const message = `cluster ${cluster}: ${doing}: ${reasonOf(error)}`;
  const code = serverCode(error);
  if (
    !(error instanceof MongoServerError) ||
    error instanceof MongoWriteConcernError ||
    error.hasErrorLabel('RetryableWriteError') ||
    error.hasErrorLabel('TransientTransactionError') ||
    (code !== null && isTransientCode(code))
  ) {
    return new DestinationUnavailableError(message, { cause: error });
  }
  return new DestinationRefusedError(message, code, { cause: error });
}
