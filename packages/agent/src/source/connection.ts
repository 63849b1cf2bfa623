import { type ClientSession, type Document, MongoClient, type Timestamp } from 'mongodb';
import { asBuffer } from '@linkspan/contract/bson/raw.ts';
import { type ClusterTime, NO_TIME, secondsOf } from '../journal/clusterTime.ts';
import { hostsIn } from './hosts.ts';

/** A command's reply: the fields at its top decoded, documents in it raw. */
export interface RawReply {
  readonly reply: Document;
  /** `cursor`, raw; an empty buffer for commands without one. */
  readonly cursor: Buffer;
  /** The operation time that the server gave with the reply. */
  readonly time: ClusterTime;
}

const SERVER_SELECTION_MS = 15_000;
const SOCKET_TIMEOUT_MS = 120_000;
const POOL_SIZE = 32;

/**
 * A connection to a source deployment. It only reads (invariant I7): every command goes to the
 * primary, and none of them writes.
 */
export interface SourceConnection extends AsyncDisposable {
  /**
   * Runs a command. Cursors must be continued in the session that opened them.
   * @throws the driver's errors
   */
  run(db: string, command: Document, session?: ClientSession): Promise<RawReply>;
  session(): ClientSession;
  /** The newest cluster time that any reply carried. */
  readonly latestTime: ClusterTime;
  /**
   * The newest time, with the seconds since it was learnt added: a clock of the source that goes on
   * while the source does not answer (invariant I8). In seconds since 1970.
   */
  nowSeconds(): number;
  readonly client: MongoClient;
}

/**
 * Connects to a source.
 * @throws {SourceUnreachableError} naming host and reason
 */
export async function connectSource(uri: string): Promise<SourceConnection> {
  const client = makeClient(uri);
  try {
    await client.connect();
    await client.db('admin').command({ ping: 1 });
  } catch (error) {
    await client.close().catch(() => undefined);
    throw new SourceUnreachableError(describeMongoError(error, uri));
  }
  let latest = NO_TIME;
  let learntAt = performance.now();

  return {
    client,
    async run(db, command, session) {
      const reply = await client
        .db(db)
        .command(command, { raw: true, promoteLongs: false, ...(session && { session }) });
      const time = timeOf(reply['operationTime'] as Timestamp | undefined);
      if (time > latest) latest = time;
      learntAt = performance.now();
      const cursor: unknown = reply['cursor'];
      return {
        reply,
        time,
        cursor: cursor instanceof Uint8Array ? asBuffer(cursor) : Buffer.alloc(0),
      };
    },
    // Reads name the time they need themselves (rule D6); the driver's own causality would wait
    // for times of other reads.
    session: () => client.startSession({ causalConsistency: false }),
    get latestTime() {
      return latest;
    },
    nowSeconds: () => secondsOf(latest) + Math.floor((performance.now() - learntAt) / 1000),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

function makeClient(uri: string): MongoClient {
  try {
    return new MongoClient(uri, {
      appName: 'linkspan-agent',
      readPreference: 'primary',
      retryReads: true,
      ...unlessGiven(uri, {
        serverSelectionTimeoutMS: SERVER_SELECTION_MS,
        socketTimeoutMS: SOCKET_TIMEOUT_MS,
        maxPoolSize: POOL_SIZE,
      }),
    });
  } catch (error) {
    throw new SourceUnreachableError(describeMongoError(error, uri));
  }
}

/** Without those that the connection string sets: the driver would let ours win. */
function unlessGiven(uri: string, options: Record<string, number>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => !new RegExp(`[?&]${name}=`, 'i').test(uri)),
  );
}

/** The source cannot be used; the message names hosts and the reason, and no credentials. */
export class SourceUnreachableError extends Error {
  override readonly name = 'SourceUnreachableError';
}

/** A driver's timestamp as a cluster time. */
export function timeOf(timestamp: Timestamp | undefined): ClusterTime {
  return timestamp === undefined ? NO_TIME : timestamp.toBigInt();
}

/** `a:27017,b:27017` of a connection string, without credentials, path or options. */
export function hostsOf(uri: string): string {
  return hostsIn(uri)?.join(',') ?? 'the given connection string';
}

/** What went wrong at which host, in one sentence, without credentials. */
export function describeMongoError(error: unknown, uri: string): string {
  const message = error instanceof Error ? error.message : String(error);
  // Drivers quote what they were given; a connection string must not reach a log.
  const clean = message.replaceAll(/mongodb(\+srv)?:\/\/\S+/g, 'the connection string');
  return `${hostsOf(uri)}: ${clean}`;
}
