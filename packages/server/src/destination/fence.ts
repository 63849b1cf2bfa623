import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import {
  Binary,
  Long,
  MongoServerError,
  type ClientSession,
  type Document,
  type MongoClient,
} from 'mongodb';

import { connect, type AddressCheck } from './connect.ts';
import { obstacleOf, serverCode } from './errors.ts';

/**
 * The fence of rule D14. Writes of documents carry the number of a retryable write, `txnNumber`, in one
 * of a fixed set of logical sessions, `lsid`, that all push sessions of a migration share. The number is
 * made of the push session's epoch and a counter, and a `mongod` refuses one that is lower than the
 * highest that it saw in that logical session (TransactionTooOld): once a higher epoch has been written
 * in each of them, nothing of a lower one is carried out any more, wherever it was held up.
 *
 * Source: the driver specification "Retryable writes", and `TransactionParticipant::beginOrContinue` of
 * the server. Only insert, update and delete of single documents can carry a number.
 */

/** Logical sessions of one migration: as many commands with numbers are under way at most. */
export const FENCE_LANES = 32;

const TRANSACTION_TOO_OLD = 225;
/** Where fences are written and probed; what is written is dropped at once. */
const FENCE_DATABASE = 'linkspan_fences';
const ASKING = 'linkspan-fence';
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const RAISE_MS = 60_000;

/** Which push session's writes. */
export interface FenceNumber {
  readonly migrationId: string;
  readonly epoch: number;
}

/** What a command with a number needs. */
export interface Stamp {
  readonly session: ClientSession;
  readonly txnNumber: Long;
}

interface Lane {
  readonly session: ClientSession;
  counter: number;
}

/** Numbers the commands of one push session. One command at a time is under way in each lane. */
export class FenceLanes {
  readonly #client: MongoClient;
  readonly #number: FenceNumber;
  readonly #free: Lane[] = [];
  readonly #waiting: ((lane: Lane) => void)[] = [];
  #made = 0;

  constructor(client: MongoClient, number: FenceNumber) {
    this.#client = client;
    this.#number = number;
  }

  async run<T>(send: (stamp: Stamp) => Promise<T>): Promise<T> {
    const lane = await this.#take();
    lane.counter += 1;
    try {
      const txnNumber = numberOf(this.#number.epoch, lane.counter);
      return await send({ session: lane.session, txnNumber });
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free.push(lane);
      else next(lane);
    }
  }

  async #take(): Promise<Lane> {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    if (this.#made < FENCE_LANES) {
      const session = laneSession(this.#client, this.#number.migrationId, this.#made);
      this.#made += 1;
      return { session, counter: 0 };
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/** Epochs in the upper half, counters in the lower. */
function numberOf(epoch: number, counter: number): Long {
  return new Long(counter, epoch);
}

/**
 * A session of the driver with the id of a lane, which is the same in every process. The driver has no
 * public way to choose the id; a test tells when a new version of it has changed. It must not take the
 * session into its pool, nor end it at the server, which would forget its number.
 */
function laneSession(client: MongoClient, migrationId: string, lane: number): ClientSession {
  const session = client.startSession({ causalConsistency: false });
  const { serverSession } = session;
  serverSession.id = { id: laneId(migrationId, lane) };
  serverSession.isDirty = true;
  return session;
}

/** A UUID of version 8. */
export function laneId(migrationId: string, lane: number): Binary {
  const bytes = createHash('sha256').update(`linkspan fence ${migrationId} ${lane}`).digest();
  const uuid = bytes.subarray(0, 16);
  uuid[6] = ((uuid[6] as number) & 0x0f) | 0x80;
  uuid[8] = ((uuid[8] as number) & 0x3f) | 0x80;
  return new Binary(uuid, Binary.SUBTYPE_UUID);
}

/**
 * Whether the server refuses numbers that are too low, found by trying it in a logical session that
 * nobody else uses. Nothing is written. A sharded cluster counts for itself on each shard, so it is
 * taken for one that does not.
 */
export async function enforcesFence(client: MongoClient): Promise<boolean> {
  if (await isSharded(client)) return false;
  const session = laneSession(client, randomBytes(12).toString('hex'), 0);
  const tried = (counter: number): Promise<Document> =>
    client.db(FENCE_DATABASE).command(
      {
        delete: 'probe',
        deletes: [{ q: { _id: 0 }, limit: 1 }],
        txnNumber: numberOf(0, counter),
      },
      { session },
    );
  try {
    await tried(2);
    await tried(1);
    return false;
  } catch (error) {
    if (!(error instanceof MongoServerError)) throw error;
    return serverCode(error) === TRANSACTION_TOO_OLD;
  }
}

/** True for a sharded cluster, asked now: a replica set may become one behind the same name. */
export async function isSharded(client: MongoClient): Promise<boolean> {
  const { msg } = await client.db('admin').command({ hello: 1 });
  return msg === 'isdbgrid';
}

/** True for the answer to a command of a push session whose successor has raised the fence. */
export function isFencedOff(code: number | null): boolean {
  return code === TRANSACTION_TOO_OLD;
}

export interface RaiseOptions {
  /** Asked before each attempt: the password may have been changed since the last one. */
  readonly uri: () => Promise<string>;
  readonly mayConnect: AddressCheck;
  /** The lowest number that may still be carried out. */
  readonly fence: FenceNumber;
  /**
   * False once somebody else has raised it: asked before each attempt, and again with a connection at hand,
   * which may have been waited for.
   */
  readonly isNeeded: () => Promise<boolean>;
  /** Told each time it failed, with the reason. */
  readonly onPending?: (reason: string) => void;
}

/**
 * Comes back once no write of a lower epoch can be carried out any more. It waits for those that the
 * server is carrying out: a logical session is used by one command at a time.
 * @returns false, with nothing written, if it proves nothing: the cluster is sharded by now, and what is
 *   written through a `mongos` raises the fence at one shard alone
 * @throws the signal's reason
 */
export async function raiseFence(options: RaiseOptions, signal: AbortSignal): Promise<boolean> {
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    signal.throwIfAborted();
    try {
      return !(await options.isNeeded()) || (await raiseOnce(options, signal));
    } catch (error) {
      signal.throwIfAborted();
      options.onPending?.(`the fence cannot be raised: ${obstacleOf(error)}`);
    }
    await delay(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

async function raiseOnce(options: RaiseOptions, signal: AbortSignal): Promise<boolean> {
  const { uri, mayConnect, fence, isNeeded } = options;
  const client = connect(await uri(), {
    appName: ASKING,
    mayConnect,
    overrides: { maxPoolSize: 8 },
  });
  const cut = (): void => void client.close(true);
  signal.addEventListener('abort', cut, { once: true });
  try {
    await client.db('admin').command({ ping: 1 });
    if (await isSharded(client)) return false;
    if (!(await isNeeded())) return true;
    const lanes = Array.from({ length: FENCE_LANES }, (_, lane) => lane);
    await Promise.all(lanes.map((lane) => raiseLane(client, fence, lane)));
    // It only had to be written: the numbers are kept by the server apart from it.
    await client
      .db(FENCE_DATABASE)
      .command({ drop: fence.migrationId })
      .catch(() => undefined);
    return true;
  } finally {
    signal.removeEventListener('abort', cut);
    await client.close(true);
  }
}

/** A real write, so that it is replicated with its number, and a new primary knows that too. */
async function raiseLane(client: MongoClient, fence: FenceNumber, lane: number): Promise<void> {
  const { migrationId, epoch } = fence;
  const session = laneSession(client, migrationId, lane);
  const command = {
    update: migrationId,
    updates: [{ q: { _id: lane }, u: { $set: { epoch } }, upsert: true }],
    txnNumber: numberOf(epoch, 0),
    writeConcern: { w: 'majority', j: true, wtimeout: RAISE_MS },
    maxTimeMS: RAISE_MS,
  };
  try {
    const reply = await client.db(FENCE_DATABASE).command(command, { session });
    const [failed] = (reply['writeErrors'] ?? []) as { errmsg?: string }[];
    if (failed !== undefined) throw new Error(failed.errmsg ?? 'the write failed');
  } catch (error) {
    // An even newer one has been raised.
    if (!isFencedOff(serverCode(error))) throw error;
  }
}
