import { setTimeout as sleep } from 'node:timers/promises';
import type { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { isMigratable, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { NO_TIME } from '../journal/clusterTime.ts';
import {
  type ChangeStream,
  HistoryLostError,
  type StreamBatch,
  openChangeStream,
} from '../source/changeStream.ts';
import { type ChangeEvent, DOCUMENT_EVENTS, IGNORED_EVENTS } from '../source/events.ts';
import { type Applied, applyEvent } from './applyEvent.ts';
import { type MigrationContext, isSourceFault, pauseAfter, persist } from './context.ts';

/** Milliseconds that a read of the stream waits for events: short while someone needs its position. */
const IDLE_WAIT_MS = 300;
const BUSY_WAIT_MS = 10;

const READING = 'reading the change stream';

/** What tracking needs of a running migration; a paused one has no more. */
export type TrackingContext = Pick<
  MigrationContext,
  'selection' | 'source' | 'journal' | 'gate' | 'lives' | 'work' | 'waiting' | 'log' | 'signal'
>;

/**
 * Step 1: reads the deployment's change stream into the journal. Events and token of a reply are one
 * transaction (rules D1 to D4).
 */
export class Tracker {
  readonly #context: TrackingContext;
  readonly #onRelist: () => void;
  #lastWrite: ClusterTime = NO_TIME;

  /** @param onRelist called when only a new listing can tell what has changed */
  constructor(context: TrackingContext, onRelist: () => void) {
    this.#context = context;
    this.#onRelist = onRelist;
  }

  /**
   * Time of the newest change by a user that was seen since the start of the process. Deletes in
   * collections with a TTL index do not count: the server makes those itself (rule D21).
   */
  get lastWrite(): ClusterTime {
    return this.#lastWrite;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    for (;;) {
      try {
        await using stream = await persist(this.#context, 'opening the change stream', () =>
          this.#open(),
        );
        this.#apply(stream.first);
        for (;;) await this.#read(stream);
      } catch (error) {
        this.#context.signal.throwIfAborted();
        if (error instanceof HistoryLostError) await this.#startAgain(error);
        else await this.#pause(error);
      }
    }
  }

  async #open(): Promise<ChangeStream> {
    const state = this.#context.journal.state();
    if (state === null) throw new Error('tracking begins after the journal');
    const { time } = await this.#context.source.run('admin', { ping: 1 });
    if (time !== NO_TIME && time < state.position.time) {
      throw new HistoryLostError(
        'the source is at an earlier time than it was: it lost writes, or it is another deployment',
      );
    }
    return openChangeStream(this.#context.source, {
      at: 'token',
      token: state.resumeToken,
      position: state.position,
    });
  }

  async #read(stream: ChangeStream): Promise<void> {
    this.#context.signal.throwIfAborted();
    const wait = this.#context.gate.isWaitedFor ? BUSY_WAIT_MS : IDLE_WAIT_MS;
    this.#apply(await stream.next(wait));
    this.#context.waiting.clear(READING);
  }

  async #pause(error: unknown): Promise<void> {
    if (!isSourceFault(error)) throw error;
    const { waiting, log, signal } = this.#context;
    const times = waiting.set(READING, `${READING}: ${error.message}`);
    log.warn({ reason: error.message }, 'the change stream broke off: opening it again');
    await sleep(pauseAfter(times), undefined, { signal });
  }

  #apply(batch: StreamBatch): void {
    const { journal, gate, lives, work, selection } = this.#context;
    const listedAt = journal.state()?.listedAt ?? null;
    const applied = journal.transaction(() => {
      const results: Applied[] = [];
      for (const event of batch.events)
        results.push(applyEvent(journal, event, listedAt, selection));
      journal.saveToken(batch.token, batch.position);
      // With the token: behind it nothing would tell of it again.
      if (results.some(({ relist }) => relist)) this.#onRelist();
      return results;
    });
    for (const one of applied) lives.note(one);
    this.#noteWrites(batch);
    gate.advance(batch.position);
    if (batch.events.length > 0) work.notify();
  }

  #noteWrites(batch: StreamBatch): void {
    for (const event of batch.events) {
      if (event.time <= this.#lastWrite || IGNORED_EVENTS.has(event.type)) continue;
      if (event.type === 'delete') {
        const { incarnations } = this.#context.journal;
        if (incarnations.byName(seriesOf(event.namespace))?.expires === true) continue;
      }
      if (DOCUMENT_EVENTS.has(event.type) && isInternal(event.namespace.db)) continue;
      if (isLeftOut(event, this.#context.selection)) continue;
      this.#lastWrite = event.time;
    }
  }

  /**
   * D1: lost history is never silence and never a new start. The stream begins anew, everything is
   * listed again, and what is at the destination is compared with the source in full (repair).
   */
  async #startAgain(loss: HistoryLostError): Promise<void> {
    const { journal, lives, gate, log, source } = this.#context;
    log.warn(
      { reason: loss.message },
      'history lost: all collections will be compared and repaired',
    );
    const stream = await persist(this.#context, 'opening the change stream', () =>
      openChangeStream(source, { at: 'now' }),
    );
    const { token, position } = stream.first;
    await stream[Symbol.asyncDispose]();
    journal.transaction(() => {
      journal.saveToken(token, position);
      // A collection that an event names before the new listing may be one that was made unseen.
      journal.saveListedAt(null);
      journal.incarnations.reconcileAll({ repair: true });
      journal.verifications.again('HISTORY_LOST');
      journal.addHistoryLoss();
    });
    // What was not seen may have been writes (rule D21).
    this.#lastWrite = position.time;
    lives.everythingChanged();
    gate.advance(position);
    this.#onRelist();
  }
}

/** True for what happens to collections that are not moved. */
function isLeftOut({ namespace, to }: ChangeEvent, selection: Selection): boolean {
  const isOut = ({ db, coll }: Namespace): boolean =>
    coll === ''
      ? isMigratable({ db, coll }) && !selection.maySelectIn(db)
      : selection.leavesOut(seriesOf({ db, coll }));
  return isOut(namespace) && (to === null || isOut(to));
}

/** Of the buckets of a time series, its own name. */
function seriesOf({ db, coll }: Namespace): Namespace {
  return { db, coll: coll.replace(/^system\.buckets\./, '') };
}

/** Databases whose documents the server itself writes. */
function isInternal(db: string): boolean {
  return db === 'config' || db === 'local' || db === 'admin';
}
