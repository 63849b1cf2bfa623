import {
  MAX_OFFERED_RANGES,
  type OfferedRange,
  type RangesReply,
  type RangeStanding,
} from '@linkspan/contract/push/ranges.ts';
import type { CopyRange } from '../journal/copyRanges.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { RangesToSay } from '../push/pusher.ts';
import type { MigrationContext } from './context.ts';
import { Notifier } from './notifier.ts';
import { type QueuedRange, RangeQueue } from './rangeQueue.ts';

const IDLE_MS = 1000;
/** How often it is asked whether another host could copy, while none can. */
const LOOK_MS = 5000;
/** How long the stream may take to pass what a copying host waits for, before the server is told anyway. */
const PASS_MS = 200;
const KEY_BYTES = 16 * 1024;
/** Ranges that are offered for each host that could copy: it has something to take at once. */
const OFFERS_PER_HOST = 4;

interface Offer {
  readonly id: number;
  readonly queue: RangeQueue;
  readonly range: QueuedRange;
  readonly toCopy: Omit<OfferedRange, 'takeBack'>;
  /** Of it, what the journal has. */
  documents: number;
  bytes: number;
  wireBytes: number;
}

/**
 * Lets other migration hosts of the link copy ranges of a collection that this host has not begun. The
 * journal, the change stream and every decision stay here. A host may push what it read only after the
 * tracked position that is told here has passed the read, and of no range whose name changed by then (rule
 * D7); its progress is journaled here once the destination has acknowledged it (invariant I4). Whatever is
 * not acknowledged when an offer ends is copied again: inserts leave alone what is there.
 */
export class Spreader {
  readonly #context: MigrationContext;
  readonly #queues = new Set<RangeQueue>();
  readonly #offers = new Map<number, Offer>();
  readonly #wake = new Notifier();
  readonly #changed = new Notifier();
  #lastId = 0;
  #epoch = 0;
  #helpers = 0;
  #copying = 0;
  #onCopying: () => void = () => undefined;

  constructor(context: MigrationContext) {
    this.#context = context;
  }

  /** Other hosts that copy now. */
  get copying(): number {
    return this.#copying;
  }

  /** Calls back when {@link copying} has changed. */
  set onCopying(listener: () => void) {
    this.#onCopying = listener;
  }

  /** Ranges of one collection, for as long as it is not disposed of; {@link RangeQueue.next} empties it. */
  open(incarnation: number, ranges: readonly CopyRange[]): RangeQueue & Disposable {
    const { lives } = this.#context;
    const names = lives.nameChanges(incarnation);
    const queue = new RangeQueue(incarnation, names, ranges, () => this.#wake.notify());
    this.#queues.add(queue);
    this.#wake.notify();
    return Object.assign(queue, { [Symbol.dispose]: () => void this.#queues.delete(queue) });
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const { pusher, signal, gate } = this.#context;
    for (;;) {
      signal.throwIfAborted();
      const { version } = this.#wake;
      if (!this.#hasWork()) {
        await this.#wake.wait(version, IDLE_MS, signal);
        continue;
      }
      const [helpers, offered] = [this.#helpers, this.#offers.size];
      const reply = await pusher.ranges((epoch) => this.#say(epoch), signal);
      this.#hear(reply);
      const { waitedFor } = reply;
      const isInVain = offered === 0 && this.#offers.size === 0 && this.#helpers <= helpers;
      if (isInVain) await this.#wake.wait(version, LOOK_MS, signal);
      else if (waitedFor !== null && !gate.hasPassed(waitedFor)) await this.#untilPassed(waitedFor);
    }
  }

  /**
   * Comes back once no other host copies of that collection, nor may: what a drop or rename waits for (rule
   * D16). The change is in the journal, so that nothing of it is offered again.
   */
  async takenBack(incarnation: number): Promise<void> {
    const { signal } = this.#context;
    for (;;) {
      const { version } = this.#changed;
      const isOffered = this.#offers
        .values()
        .some(({ queue }) => queue.incarnation === incarnation);
      if (!isOffered) return;
      this.#wake.notify();
      await this.#changed.wait(version, IDLE_MS, signal);
    }
  }

  #hasWork(): boolean {
    return this.#offers.size > 0 || this.#queues.values().some(({ hasWaiting }) => hasWaiting);
  }

  /** What holds at this moment, in one turn of the event loop: the position and the ranges belong together. */
  #say(epoch: number): RangesToSay {
    const { gate, journal } = this.#context;
    // A session knows nothing of those before it, which have nothing under way any more (invariant I5).
    if (epoch !== this.#epoch)
      for (const offer of this.#offers.values()) this.#endOffer(offer, 'WAITING');
    this.#epoch = epoch;
    for (const queue of this.#queues) if (!this.#isCurrent(queue)) queue.stop();
    this.#offerMore();
    return {
      tracked: gate.position,
      sourceIdentity: journal.state()?.sourceIdentity ?? '',
      ranges: [...this.#offers.values()].map(({ queue, range, toCopy }): OfferedRange => ({
        ...toCopy,
        takeBack: queue.isStopped ? 'NOW' : range.isWantedHere ? 'IF_FREE' : null,
      })),
    };
  }

  /** Whether what is read under the collection's name belongs to it still. */
  #isCurrent({ incarnation: id, names }: RangeQueue): boolean {
    const { journal, lives } = this.#context;
    return (
      lives.nameChanges(id) === names &&
      journal.incarnations.get(id)?.state === 'COPYING' &&
      !journal.structural.concerns(id)
    );
  }

  #offerMore(): void {
    const offered = this.#offers.values().filter(({ range }) => range.state === 'OFFERED');
    let left = Math.min(
      this.#helpers * OFFERS_PER_HOST - [...offered].length,
      MAX_OFFERED_RANGES - this.#offers.size,
    );
    for (const queue of this.#queues) {
      if (queue.isStopped) continue;
      const { journal } = this.#context;
      const incarnation = journal.incarnations.get(queue.incarnation);
      const ranges = journal.ranges.of(queue.incarnation);
      for (const range of queue.ranges.toReversed()) {
        if (left <= 0) return;
        const found = ranges.find(({ number }) => number === range.number);
        if (range.state !== 'WAITING' || range.isForHere) continue;
        if (found === undefined || incarnation === undefined) continue;
        if (!this.#offer(queue, range, incarnation, found)) break;
        left -= 1;
      }
    }
  }

  /** @returns false for what is copied here alone: it has a place of its own, an order, or no name there yet */
  #offer(
    queue: RangeQueue,
    range: QueuedRange,
    { source, destination, buckets, capped }: Incarnation,
    { lower, upper, position }: CopyRange,
  ): boolean {
    if (destination === null || buckets || capped !== null) return false;
    // Keys may have megabytes, and these are sent again and again.
    if ([lower, upper, position].some((key) => (key?.length ?? 0) > KEY_BYTES)) return false;
    this.#lastId += 1;
    const id = this.#lastId;
    const [toDb, toColl] = [destination.db, destination.coll];
    const since = this.#context.gate.position.time;
    const toCopy = { id, ...source, toDb, toColl, lower, upper, position, since };
    this.#offers.set(id, { id, queue, range, toCopy, documents: 0, bytes: 0, wireBytes: 0 });
    range.state = 'OFFERED';
    return true;
  }

  #hear({ hosts, copying, ranges }: RangesReply): void {
    this.#helpers = hosts;
    for (const standing of ranges) this.#note(standing);
    if (copying === this.#copying) return;
    this.#copying = copying;
    this.#onCopying();
  }

  #note(standing: RangeStanding): void {
    const offer = this.#offers.get(standing.id);
    if (offer === undefined) return;
    const { queue, range } = offer;
    const isDone = standing.state === 'DONE';
    this.#keep(offer, standing, isDone);
    if (isDone) this.#endOffer(offer, 'OVER');
    else if (standing.state === 'RETURNED') {
      range.isForHere = true;
      this.#endOffer(offer, 'WAITING');
    } else if (range.state !== standing.state) {
      range.state = standing.state;
      queue.note();
    }
  }

  /** The progress of a life of the collection is its own whatever its name is now. */
  #keep(
    offer: Offer,
    { position, documents, bytes, wireBytes }: RangeStanding,
    isDone: boolean,
  ): void {
    const { journal, meter, work } = this.#context;
    const { incarnation: id } = offer.queue;
    const { number } = offer.range;
    const more = { documents: documents - offer.documents, bytes: bytes - offer.bytes };
    meter.elsewhere(more.bytes, wireBytes - offer.wireBytes);
    Object.assign(offer, { documents, bytes, wireBytes });
    if (more.documents === 0 && !isDone) return;
    journal.transaction(() => {
      if (journal.incarnations.get(id)?.state !== 'COPYING') return;
      if (position !== null) journal.ranges.advance(id, number, Buffer.from(position));
      journal.incarnations.addCopied(id, more.documents, more.bytes);
      if (isDone) journal.ranges.finish(id, number);
    });
    work.notify();
  }

  #endOffer({ id, queue, range }: Offer, state: 'WAITING' | 'OVER'): void {
    this.#offers.delete(id);
    range.state = state;
    range.isWantedHere = false;
    queue.note();
    this.#changed.notify();
  }

  async #untilPassed(time: bigint): Promise<void> {
    const { gate, signal } = this.#context;
    const either = AbortSignal.any([signal, AbortSignal.timeout(PASS_MS)]);
    await gate.waitFor(time, either).catch(() => signal.throwIfAborted());
  }
}
