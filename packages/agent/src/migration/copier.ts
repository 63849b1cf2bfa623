import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { CopyRange } from '../journal/copyRanges.ts';
import { FLUSH_LANES } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { acceptedOf } from '../push/pusher.ts';
import { sizeOf } from '../source/cutBySize.ts';
import { readRange } from '../source/reader.ts';
import { BatchSize } from './batchSize.ts';
import { NumberPool } from './budget.ts';
import { contentOf, targetOf } from './content.ts';
import type { MigrationContext } from './context.ts';
import { markRefused } from './copyBatch.ts';
import { copyInOrder } from './orderedCopier.ts';
import { AcknowledgedPrefix } from './prefix.ts';
import { planRanges, rangesFor } from './ranges.ts';
import { recover } from './recover.ts';
import type { Spreader } from './spreader.ts';

const IDLE_MS = 1000;
const COPY_LANES = 4;

/**
 * Collections whose first reply is read at once: where there are very many, most hold no more, and what
 * costs time is to wait for the stream.
 */
const OPENED_AT_ONCE = 8;

/**
 * `changed`: dropped or renamed meanwhile, so look at the collection anew. `split`: nothing was pushed
 * yet, and it is worth more ranges than one. `later`: nothing was pushed yet, it holds more than the first
 * reply, and as many of those are copied as may be.
 */
type Outcome = 'whole' | 'changed' | 'split' | 'later';

/** A batch that was acknowledged, and what the destination took of it. */
interface Acknowledged {
  /** Where to go on behind it; null if no key of it can be named in a command. */
  readonly position: Buffer | null;
  readonly documents: number;
  readonly bytes: number;
}

/**
 * Step 2: copies collections, several at once and large ones in ranges of `_id`, as inserts that
 * leave alone what is there (rules D9 to D11). A range's progress is the end of the prefix that was
 * acknowledged without a gap (invariant I4), and only that counts as copied (I8): what is behind a gap
 * is copied again after a restart.
 */
export class Copier {
  readonly #context: MigrationContext;
  readonly #lanes = new NumberPool(FLUSH_LANES, COPY_LANES);
  readonly #busy = new Set<number>();
  /** Of the busy ones, those that are known to hold more than one reply. */
  readonly #large = new Set<number>();
  /** Known to hold more than one reply, and put off. */
  readonly #later = new Set<number>();

  readonly #spreader: Spreader;

  constructor(context: MigrationContext, spreader: Spreader) {
    this.#context = context;
    this.#spreader = spreader;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    const { work, signal } = this.#context;
    for (;;) {
      const { version } = work;
      const next = this.#next();
      if (next === undefined) {
        await Promise.race([work.wait(version, IDLE_MS, signal), failed.promise]);
        continue;
      }
      this.#busy.add(next.id);
      this.#forgetGone();
      this.#copy(next.id)
        .catch((error: unknown) => failed.reject(error))
        .finally(() => {
          this.#busy.delete(next.id);
          this.#large.delete(next.id);
          work.notify();
        });
    }
  }

  #next(): Incarnation | undefined {
    const { journal, options } = this.#context;
    const isFull = this.#large.size >= options.collectionsAtOnce;
    if (this.#busy.size - this.#large.size >= OPENED_AT_ONCE) return undefined;
    const next = journal.pending.toCopy(isFull ? [...this.#busy, ...this.#later] : this.#busy);
    if (next !== undefined && this.#later.delete(next.id)) this.#large.add(next.id);
    return next;
  }

  /** Nothing is kept of what was dropped before its turn (invariant I6). */
  #forgetGone(): void {
    const { incarnations } = this.#context.journal;
    for (const id of this.#later) if (incarnations.get(id) === undefined) this.#later.delete(id);
  }

  /** Whether a collection that holds more than one reply may go on now; if not, it comes later. */
  #mayGoOn(id: number): boolean {
    if (this.#large.has(id)) return true;
    const isFull = this.#large.size >= this.#context.options.collectionsAtOnce;
    (isFull ? this.#later : this.#large).add(id);
    return !isFull;
  }

  async #copy(id: number): Promise<void> {
    const { journal, log } = this.#context;
    const incarnation = journal.incarnations.get(id);
    if (incarnation === undefined || incarnation.state === 'ENDED') return;
    if (incarnation.capped !== null || incarnation.toRecopy) {
      if (!this.#mayGoOn(id)) return;
      await copyInOrder(this.#context, this.#lanes, id);
      return;
    }
    // One that broke off while it was copied in its order has none, and is none of those any more.
    if (incarnation.state === 'PENDING' || journal.ranges.of(id).length === 0) {
      journal.transaction(() => {
        journal.ranges.plan(id, []);
        journal.incarnations.update(id, { state: 'COPYING', documentsCopied: 0, bytesCopied: 0 });
      });
    }
    // Also one that was put off, or that a stop came upon before anything of it was acknowledged.
    const isUntouched = journal.ranges
      .of(id)
      .every(({ number, position, done }) => number === 0 && position === null && !done);
    let outcomes = await this.#copyRanges(id, isUntouched);
    if (outcomes.includes('split')) {
      const bounds = await planRanges(this.#context, incarnation);
      if (journal.incarnations.get(id)?.state !== 'COPYING') return;
      journal.ranges.plan(id, bounds);
      outcomes = await this.#copyRanges(id, false);
    }
    if (!outcomes.every((outcome) => outcome === 'whole')) return;
    journal.transaction(() => {
      const current = journal.incarnations.get(id);
      if (current?.state !== 'COPYING') return;
      journal.incarnations.update(id, {
        state: 'COPIED',
        toReconcile: true,
        // The estimates have served: this is what there was.
        documentsTotal: current.documentsCopied,
        bytesTotal: current.bytesCopied,
      });
      journal.ranges.clear(id);
    });
    this.#context.lives.structureChanged(id);
    log.info({ namespace: formatNamespace(incarnation.source) }, 'collection copied');
  }

  /** Several ranges at once, each as soon as there is room for it, unless another host copies it. */
  async #copyRanges(id: number, maySplit: boolean): Promise<Outcome[]> {
    const { journal, options, signal } = this.#context;
    const ranges = journal.ranges.of(id).filter(({ done }) => !done);
    using queue = this.#spreader.open(id, ranges);
    const outcomes: Outcome[] = [];
    const copyInTurn = async (): Promise<void> => {
      for (;;) {
        const next = await queue.next(signal);
        if (next === null) break;
        // Read anew: another host may have copied some of it.
        const range = journal.ranges.of(id)[next.number];
        if (range === undefined) break;
        const outcome = await this.#copyRange(id, range, maySplit);
        outcomes.push(outcome);
        next.state = 'OVER';
        if (outcome !== 'whole') queue.stop();
        queue.note();
      }
    };
    const atOnce = Math.min(ranges.length, options.rangesAtOnce);
    await Promise.all(Array.from({ length: atOnce }, copyInTurn));
    return queue.isStopped ? [...outcomes, 'changed'] : outcomes;
  }

  async #copyRange(id: number, range: CopyRange, maySplit: boolean): Promise<Outcome> {
    const { journal, signal, waiting } = this.#context;
    let { position } = range;
    let what = '';
    for (;;) {
      signal.throwIfAborted();
      const incarnation = journal.incarnations.get(id);
      if (incarnation === undefined || incarnation.state !== 'COPYING') {
        waiting.clear(what);
        return 'changed';
      }
      what = `copying ${formatNamespace(incarnation.source)}, range ${range.number}`;
      try {
        const outcome = await this.#readAndPush(incarnation, { ...range, position }, maySplit);
        if (outcome === 'whole') journal.ranges.finish(id, range.number);
        waiting.clear(what);
        return outcome;
      } catch (error) {
        await recover(this.#context, incarnation, what, error);
        position = journal.ranges.of(id)[range.number]?.position ?? position;
      }
    }
  }

  async #readAndPush(
    incarnation: Incarnation,
    range: CopyRange,
    maySplit: boolean,
  ): Promise<Outcome> {
    const { id, source: namespace } = incarnation;
    const { source, journal, lives, gate, signal, inFlight, hooks, meter, throttle } =
      this.#context;
    const names = lives.nameChanges(id);
    // D6: of one that is copied again, marks as new as that may have been evicted.
    const since = gate.position.time;
    const prefix = new AcknowledgedPrefix<Acknowledged>((batches) => {
      const last = batches.findLast(({ position }) => position !== null)?.position ?? null;
      if (last !== null) journal.ranges.advance(id, range.number, last);
      for (const batch of batches) {
        journal.incarnations.addCopied(id, batch.documents, batch.bytes);
      }
    });
    const pushes = new Set<Promise<void>>();
    const size = new BatchSize(this.#context);
    let isFirst = true;
    const started = performance.now();
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => undefined);
    try {
      const rest = { lower: range.position ?? range.lower, upper: range.upper };
      const content = contentOf(incarnation);
      const batches = readRange(source, content, rest, since, size.next);
      for await (const { documents, time, isLast } of meter.reading(batches)) {
        if (isFirst && !isLast && !this.#mayGoOn(id)) return 'later';
        const splits = maySplit && !isLast;
        if (isFirst && (await this.#isToSplit(incarnation, started, splits))) return 'split';
        isFirst = false;
        // Bounds are inclusive, and the document at the position was acknowledged.
        if (isAt(documents[0], range.position)) documents.shift();
        size.learn(documents);
        await hooks.afterRead?.('copy', formatNamespace(namespace));
        // Also where nothing was found: the name may have become another's.
        const passed = meter.waiting('source', () => gate.waitFor(time, signal));
        await Promise.race([passed, failed.promise]);
        if (lives.nameChanges(id) !== names) return 'changed';
        for (const batch of throttle.cut(documents)) {
          const bytes = sizeOf(batch);
          const allowed = meter.waiting('throttle', () =>
            throttle.take(batch.length, bytes, signal),
          );
          await Promise.race([allowed, failed.promise]);
          await meter.waiting('push', () => inFlight.acquire(bytes, signal));
          const push = this.#push(id, batch, bytes, prefix.begin()).then(
            () => void pushes.delete(push),
            (error: unknown) => failed.reject(error),
          );
          pushes.add(push);
        }
      }
      const acknowledged = meter.waiting('push', () => Promise.all(pushes));
      await Promise.race([acknowledged, failed.promise]);
      return lives.nameChanges(id) === names ? 'whole' : 'changed';
    } finally {
      await Promise.allSettled(pushes);
    }
  }

  /**
   * Ranges pay where the server begins to answer at once. One that is slow to begin reads everything
   * for each range, and goes on with the one cursor that it has: measured, not guessed by version.
   */
  async #isToSplit(incarnation: Incarnation, started: number, maySplit: boolean): Promise<boolean> {
    const { sizes, options } = this.#context;
    const isSlow = performance.now() - started > options.slowStartMs;
    sizes.begin(isSlow);
    if (!maySplit || isSlow) return false;
    return rangesFor(await sizes.of(incarnation), options) > 1;
  }

  async #push(
    id: number,
    documents: readonly Buffer[],
    bytes: number,
    acknowledged: (batch: Acknowledged) => void,
  ): Promise<void> {
    const { journal, locks, pusher, signal, inFlight, work, meter } = this.#context;
    try {
      const lane = await this.#lanes.acquire(signal);
      try {
        await locks.shared(id, async () => {
          const incarnation = journal.incarnations.get(id);
          if (incarnation === undefined || incarnation.state !== 'COPYING') return;
          const target = targetOf(incarnation);
          if (target === null) return;
          const batch = { op: 'insert', ...target, lane, documents } as const;
          const reply = await meter.pushing(documents, () => pusher.pushDocuments(batch, signal));
          const accepted = acceptedOf(documents, reply);
          journal.transaction(() => {
            markRefused(this.#context, id, documents, reply);
            acknowledged({
              position: positionAfter(documents),
              documents: accepted.length,
              bytes: sizeOf(accepted),
            });
          });
        });
      } finally {
        this.#lanes.release(lane);
      }
    } finally {
      inFlight.release(bytes);
      work.notify();
    }
  }
}

function positionAfter(documents: readonly Buffer[]): Buffer | null {
  const last = documents.findLast((document) => isExact(keyOf(document)));
  return last === undefined ? null : keyOf(last);
}

/** True if that is the document at the position. */
export function isAt(document: Buffer | undefined, position: Buffer | null): boolean {
  return document !== undefined && position !== null && keyOf(document).equals(position);
}
