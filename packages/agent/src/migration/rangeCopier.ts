import { setTimeout as sleep } from 'node:timers/promises';
import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import type { Throttle as Limits } from '@linkspan/contract/push/work.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { isTracked, type TrackedTime } from '@linkspan/contract/push/ranges.ts';
import { SubLeaseEndedError } from '../push/errors.ts';
import type { SubLeaseClient, SubLeases } from '../push/subLeases.ts';
import { connectSource, type SourceConnection } from '../source/connection.ts';
import { sizeOf } from '../source/cutBySize.ts';
import { describeSource, isSameSource } from '../source/identity.ts';
import { readRange } from '../source/reader.ts';
import { BatchSize } from './batchSize.ts';
import { ByteBudget, NumberPool } from './budget.ts';
import {
  DEFAULT_OPTIONS,
  type EngineHooks,
  type EngineLog,
  type EngineOptions,
} from './context.ts';
import { Notifier } from './notifier.ts';
import { AcknowledgedPrefix } from './prefix.ts';
import { shareOf, Throttle } from './throttle.ts';

/** Ranges that are copied at once for one migration of another host. */
const AT_ONCE = 4;
const LANES = 2;
const IDLE_MS = 1000;
/** How often the server is told how far a range is copied, which keeps the sub-lease. */
const REPORT_MS = 1000;
const LAST_REPORT_MS = 2000;

export interface RangeCopierDependencies {
  readonly subLeases: SubLeases;
  /** With credentials. */
  readonly sourceUri: string;
  readonly log: EngineLog;
  /** What the whole migration may push in a second now; null: as much as it can. */
  readonly throttle: () => Limits | null;
  /** Calls back whenever {@link throttle} may have changed. */
  readonly onWork: (listener: () => void) => () => void;
  readonly options?: Partial<EngineOptions>;
  readonly hooks?: EngineHooks;
}

/**
 * Copies ranges of a migration that another host of the link tracks, until the signal aborts. It keeps
 * nothing: what was not acknowledged when it ends is copied again by whoever has the range then.
 * @throws {SourceUnreachableError} and the driver's errors; the final errors of `push/errors.ts`
 * @throws the signal's reason
 */
export async function copyRanges(
  deps: RangeCopierDependencies,
  signal: AbortSignal,
): Promise<never> {
  const { subLeases, log, hooks = {} } = deps;
  await using source = await connectSource(deps.sourceUri);
  const { identity } = await describeSource(source);
  const options = { ...DEFAULT_OPTIONS, ...deps.options };
  const throttle = new Throttle(deps.throttle());
  let copying = 1;
  const setThrottle = (): void => throttle.set(shareOf(deps.throttle(), copying));
  const onCopying = (hosts: number): void => {
    if (hosts === copying) return;
    copying = hosts;
    setThrottle();
  };
  setThrottle();
  const ignore = deps.onWork(setThrottle);
  const host: Host = { source, throttle, log, options, hooks, onCopying, signal };
  const busy = new Set<Promise<void>>();
  try {
    for (;;) {
      signal.throwIfAborted();
      if (busy.size >= AT_ONCE) {
        await Promise.race(busy);
        continue;
      }
      const lease = await subLeases.take(signal);
      if (lease === null) {
        await Promise.race([sleep(IDLE_MS, undefined, { signal }), ...busy]);
        continue;
      }
      if (!isSameSource(lease.range.sourceIdentity, identity)) {
        await lease.giveBack(signal);
        throw new Error(
          `this host cannot copy for another one, which reads another deployment under the same name (${lease.range.sourceIdentity}, this one ${identity}): correct the configuration of one of them`,
        );
      }
      const copy = new RangeCopy(host, lease).run().finally(() => busy.delete(copy));
      busy.add(copy);
    }
  } finally {
    ignore();
    await Promise.allSettled(busy);
  }
}

interface Host {
  readonly source: SourceConnection;
  readonly throttle: Throttle;
  readonly log: EngineLog;
  readonly options: EngineOptions;
  readonly hooks: EngineHooks;
  readonly onCopying: (hosts: number) => void;
  readonly signal: AbortSignal;
}

interface Acknowledged {
  readonly position: Buffer | null;
  readonly documents: number;
  readonly bytes: number;
}

/** Documents were refused: the range is left to the tracking host, which marks them. */
class DocumentsRefusedError extends Error {
  override readonly name = 'DocumentsRefusedError';
}

/** One range, by one sub-lease. */
class RangeCopy {
  readonly #host: Host;
  readonly #lease: SubLeaseClient;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #lanes = new NumberPool(0, LANES);
  /** Of documents that were read and are not acknowledged: the source is read ahead of the gate. */
  readonly #inFlight: ByteBudget;
  readonly #changed = new Notifier();
  #tracked: TrackedTime = { time: 0n, through: false };
  #waitFor: bigint | null = null;
  #copied: Acknowledged = { position: null, documents: 0, bytes: 0 };

  constructor(host: Host, lease: SubLeaseClient) {
    this.#host = host;
    this.#lease = lease;
    this.#signal = AbortSignal.any([host.signal, this.#stop.signal]);
    this.#inFlight = new ByteBudget(host.options.inFlightBytes / AT_ONCE);
  }

  /** Never rejects: a range that cannot be copied here goes back. */
  async run(): Promise<void> {
    const { log, hooks } = this.#host;
    const { db, coll } = this.#lease.range;
    const namespace = formatNamespace({ db, coll });
    const reporting = this.#keepReporting().catch((error: unknown) => this.#stop.abort(error));
    let end: 'DONE' | 'RETURNED' = 'RETURNED';
    try {
      await hooks.beforeRange?.();
      await this.#readAndPush();
      end = 'DONE';
      log.info({ namespace, documents: this.#copied.documents }, 'range copied for another host');
    } catch (error) {
      const { reason = error } = this.#stop.signal;
      log.info({ namespace, reason: (reason as Error).message }, 'range given back');
    }
    const isOver = this.#stop.signal.reason instanceof SubLeaseEndedError;
    this.#stop.abort(new Error('the range is over'));
    await reporting;
    if (isOver) return;
    // Not heard, it is silent, and the range goes back by itself.
    const late = AbortSignal.timeout(LAST_REPORT_MS);
    await this.#lease.report({ ...this.#copied, end, waitFor: null }, late).catch(() => undefined);
  }

  /** Says how far it is, and asks for what it waits for, until the signal aborts. */
  async #keepReporting(): Promise<never> {
    for (;;) {
      const { version } = this.#changed;
      const waitFor = this.#waitFor;
      const report = { ...this.#copied, end: null, waitFor };
      const { tracked, copying } = await this.#lease.report(report, this.#signal);
      this.#host.onCopying(copying);
      this.#tracked = tracked;
      if (waitFor !== null && isTracked(waitFor, tracked)) {
        if (this.#waitFor === waitFor) this.#waitFor = null;
        this.#changed.notify();
      }
      if (this.#waitFor === null) await this.#changed.wait(version, REPORT_MS, this.#signal);
    }
  }

  /** Comes back once the tracking host has passed that time and the range is this host's still (rule D7). */
  async #tracking(time: bigint): Promise<void> {
    for (;;) {
      this.#signal.throwIfAborted();
      if (isTracked(time, this.#tracked)) return;
      const { version } = this.#changed;
      if (this.#waitFor !== time) {
        this.#waitFor = time;
        this.#changed.notify();
      } else {
        await this.#host.hooks.whileUntracked?.();
        await this.#changed.wait(version, REPORT_MS, this.#signal);
      }
    }
  }

  async #readAndPush(): Promise<void> {
    const { source, options, throttle, hooks } = this.#host;
    const { range } = this.#lease;
    const [db, coll] = [range.db, range.coll];
    const [lower, position] = [toBuffer(range.lower), toBuffer(range.position)];
    const size = new BatchSize({ options, throttle });
    const prefix = new AcknowledgedPrefix<Acknowledged>((slots) => this.#advance(slots));
    const pushes = new Set<Promise<void>>();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    let isFirst = true;
    // What was read is let through in its order, while the next is read.
    let turn: Promise<void> = Promise.resolve();
    const letThrough = async (documents: Buffer[], time: bigint): Promise<void> => {
      await this.#tracking(time);
      await hooks.beforeRangePush?.(formatNamespace({ db, coll }));
      for (const batch of throttle.cut(documents)) {
        await throttle.take(batch.length, sizeOf(batch), this.#signal);
        const push = this.#push(batch, prefix.begin()).then(
          () => void pushes.delete(push),
          (error: unknown) => failed.reject(error),
        );
        pushes.add(push);
      }
    };
    try {
      const rest = { lower: position ?? lower, upper: toBuffer(range.upper) };
      for await (const { documents, time } of readRange(
        source,
        { db, coll },
        rest,
        range.since,
        size.next,
      )) {
        // Bounds are inclusive, and the document at the position is there.
        const [head] = documents;
        if (isFirst && head !== undefined && position?.equals(keyOf(head)) === true)
          documents.shift();
        isFirst = false;
        size.learn(documents);
        await hooks.afterRead?.('copy', formatNamespace({ db, coll }));
        await Promise.race([
          this.#inFlight.acquire(sizeOf(documents), this.#signal),
          failed.promise,
        ]);
        turn = turn.then(() => letThrough(documents, time));
        turn.catch((error: unknown) => failed.reject(error));
      }
      await Promise.race([turn, failed.promise]);
      await Promise.race([Promise.all(pushes), failed.promise]);
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    } finally {
      await Promise.allSettled([turn, ...pushes]);
    }
  }

  async #push(
    documents: readonly Buffer[],
    acknowledged: (slot: Acknowledged) => void,
  ): Promise<void> {
    const bytes = sizeOf(documents);
    const lane = await this.#lanes.acquire(this.#signal);
    try {
      const { failures } = await this.#lease.push({ lane, documents }, this.#signal);
      const [failure] = failures;
      if (failure !== undefined) throw new DocumentsRefusedError(failure.message);
      const last = documents.findLast((document) => isExact(keyOf(document)));
      const position = last === undefined ? null : keyOf(last);
      acknowledged({ position, documents: documents.length, bytes });
    } finally {
      this.#lanes.release(lane);
      this.#inFlight.release(bytes);
    }
  }

  #advance(slots: readonly Acknowledged[]): void {
    let { position, documents, bytes } = this.#copied;
    for (const slot of slots) {
      position = slot.position ?? position;
      documents += slot.documents;
      bytes += slot.bytes;
    }
    this.#copied = { position, documents, bytes };
  }
}

function toBuffer(bytes: Uint8Array | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
