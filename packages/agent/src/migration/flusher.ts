import { setTimeout as sleep } from 'node:timers/promises';
import { comparableKey, hasString } from '@linkspan/contract/bson/comparableKey.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { type DirtyKey, FLUSH_LANES } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { readBack } from '../source/reader.ts';
import { type MigrationContext, isReady } from './context.ts';
import { contentOf } from './content.ts';
import { type KeyPush, KeyPusher } from './keyPusher.ts';
import type { KeyRefusals } from './keyRefusals.ts';
import { flushInOrder } from './orderedFlush.ts';
import { recover } from './recover.ts';

const IDLE_MS = 1000;

/** Keys read back at once: grows and shrinks with the time that it takes. */
const FIRST_KEYS = 100;
const FEWEST_KEYS = 25;
const MOST_KEYS = 1000;
const QUICK_MS = 50;
const SLOW_MS = 200;

/**
 * Where very many collections have changed and are not copied yet, a lane looks through all of them in
 * vain, in milliseconds: then it pauses for so many times as long, and leaves the time to the copy.
 */
const LONG_SEARCH_MS = 2;
const SEARCH_PAUSE = 20;

/**
 * Step 3: pushes the keys that changed, as the documents are at the source now. Each lane works by
 * itself and has one push under way (rule D13); what is pushed was read no earlier than its mark
 * (D6), and counts once the stream has passed the read (D7, D8).
 */
export class Flusher {
  readonly #context: MigrationContext;
  readonly #pusher: KeyPusher;
  #keysAtOnce = FIRST_KEYS;
  #busy = 0;

  constructor(context: MigrationContext) {
    this.#context = context;
    this.#pusher = new KeyPusher(context);
  }

  /** What the destination refuses of it. */
  get refusals(): KeyRefusals {
    return this.#pusher.refusals;
  }

  /** True while a lane reads or pushes. */
  get isBusy(): boolean {
    return this.#busy > 0;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const lanes = Array.from({ length: FLUSH_LANES }, (_, lane) => this.#runLane(lane));
    return Promise.race(lanes);
  }

  async #runLane(lane: number): Promise<never> {
    const { work, signal } = this.#context;
    let after = 0;
    for (;;) {
      const { version } = work;
      const started = performance.now();
      const next = this.#next(lane, after);
      if (next === undefined) {
        const searched = performance.now() - started;
        await work.wait(version, IDLE_MS, signal);
        if (searched > LONG_SEARCH_MS) {
          await sleep(searched * SEARCH_PAUSE, undefined, { signal });
        }
        continue;
      }
      after = next.id;
      this.#busy += 1;
      try {
        await this.#context.locks.shared(next.id, () => this.#flush(lane, next.id));
      } finally {
        this.#busy -= 1;
      }
      work.notify();
    }
  }

  /** The next collection in turn that has keys in the lane and may be pushed to. */
  #next(lane: number, after: number): Incarnation | undefined {
    const { journal } = this.#context;
    for (const id of journal.dirty.incarnationsIn(lane, after)) {
      const incarnation = journal.incarnations.get(id);
      if (incarnation !== undefined && isReady(journal, incarnation)) return incarnation;
    }
    return undefined;
  }

  async #flush(lane: number, id: number): Promise<void> {
    const { journal, lives, waiting, throttle } = this.#context;
    const incarnation = journal.incarnations.get(id);
    if (incarnation === undefined || !isReady(journal, incarnation)) return;
    const keysAtOnce = Math.min(this.#keysAtOnce, throttle.documentsAtOnce);
    const inOrder = incarnation.capped !== null;
    const keys = inOrder
      ? journal.dirty.takeInOrder(id, keysAtOnce)
      : journal.dirty.take(lane, id, keysAtOnce);
    const written = keys.filter(({ operation }) => operation === 'write');
    const deleted = keys.filter(({ operation }) => operation === 'delete');
    const names = lives.nameChanges(id);
    const what = `pushing changes of ${formatNamespace(incarnation.source)}`;
    try {
      if (deleted.length > 0) {
        await this.#pushDeletes(lane, incarnation, deleted, journal.state()?.trackingSince ?? 0n);
      }
      // Its name may have become another's while the deletes were pushed.
      if (written.length > 0 && lives.nameChanges(id) === names) {
        if (inOrder) await flushInOrder(this.#context, this.#pusher, lane, incarnation, written);
        else await this.#flushWritten(lane, incarnation, written);
      }
      waiting.clear(what);
    } catch (error) {
      await recover(this.#context, incarnation, what, error);
      // It may have broken off behind the last key: nobody comes back to say that this is over.
      if (journal.dirty.take(lane, id, 1).length === 0) waiting.clear(what);
    }
  }

  async #flushWritten(lane: number, incarnation: Incarnation, keys: DirtyKey[]): Promise<void> {
    const { gate, lives, signal, source, hooks, meter } = this.#context;
    const names = lives.nameChanges(incarnation.id);
    const missing = new Map(keys.map((key) => [key.comparable.toString('latin1'), key]));
    const newest = keys.reduce((max, { markedAt }) => (markedAt > max ? markedAt : max), 0n);
    const documentKeys = keys.map(({ documentKey }) => documentKey);
    /** Keys of documents that a delete of another key may take with it under a collation. */
    const fragile: Buffer[] = [];
    let readAt: ClusterTime | null = null;
    const started = performance.now();
    const batches = readBack(source, contentOf(incarnation), documentKeys, newest);
    for await (const { documents, time } of meter.reading(batches)) {
      if (readAt === null) this.#adapt(performance.now() - started);
      readAt = time;
      await hooks.afterRead?.('flush', formatNamespace(incarnation.source));
      await meter.waiting('source', () => gate.waitFor(time, signal));
      if (lives.nameChanges(incarnation.id) !== names) return;
      if (incarnation.collated) {
        fragile.push(
          ...documents.map((document) => keyOf(document)).filter((key) => hasString(key)),
        );
      }
      const found = documents.flatMap((document) => this.#match(missing, document));
      await this.#pushFound(lane, incarnation, found, time);
    }
    if (readAt === null || lives.nameChanges(incarnation.id) !== names) return;
    // D8: missing counts only for keys that nothing happened to up to the time of the read.
    const gone = [...missing.values()].filter((key) =>
      this.#context.journal.dirty.isUnchanged(incarnation.id, key),
    );
    if (gone.length === 0) return;
    if (gone.some(({ documentKey }) => hasString(documentKey))) {
      this.#markWritten(incarnation, fragile, readAt);
    }
    await this.#pushDeletes(lane, incarnation, gone, readAt);
  }

  /** They are pushed again, behind what is pushed now. */
  #markWritten({ id, collated }: Incarnation, keys: readonly Buffer[], time: ClusterTime): void {
    const { journal } = this.#context;
    journal.transaction(() => {
      for (const documentKey of keys) {
        // Nothing happened to it: what is marked keeps its time and operation (rule D3).
        if (journal.dirty.has(id, documentKey)) continue;
        journal.dirty.mark({ incarnation: id, collated, documentKey, operation: 'write', time });
      }
    });
  }

  /** Takes the key of a document out of those not found yet. */
  #match(missing: Map<string, DirtyKey>, document: Buffer): KeyPush[] {
    const comparable = comparableKey(keyOf(document)).toString('latin1');
    const key = missing.get(comparable);
    // Under a collation the document found may have another key, which is marked by itself.
    if (key === undefined) return [];
    missing.delete(comparable);
    return [{ key, document }];
  }

  async #pushFound(
    lane: number,
    incarnation: Incarnation,
    found: readonly KeyPush[],
    readAt: ClusterTime,
  ): Promise<void> {
    // Servers let buckets be inserted and deleted, but not every one lets them be replaced.
    const changedBytes = ({ key, document }: KeyPush): boolean =>
      incarnation.buckets || key.recreate || !keyOf(document).equals(key.documentKey);
    const recreated = found.filter(changedBytes);
    const replaced = found.filter((item) => !changedBytes(item));
    await this.#pusher.push(lane, incarnation, 'recreate', recreated, readAt);
    await this.#pusher.push(lane, incarnation, 'replace', replaced, readAt);
  }

  async #pushDeletes(
    lane: number,
    incarnation: Incarnation,
    keys: readonly DirtyKey[],
    readAt: ClusterTime,
  ): Promise<void> {
    const items = keys.map((key) => ({ key, document: key.documentKey }));
    await this.#pusher.push(lane, incarnation, 'delete', items, readAt);
  }

  /** Costs of reading back by key differ by orders of magnitude between servers: follow them. */
  #adapt(milliseconds: number): void {
    if (milliseconds < QUICK_MS) this.#keysAtOnce = Math.min(MOST_KEYS, this.#keysAtOnce * 2);
    if (milliseconds > SLOW_MS) {
      this.#keysAtOnce = Math.max(FEWEST_KEYS, Math.floor(this.#keysAtOnce / 2));
    }
  }
}
