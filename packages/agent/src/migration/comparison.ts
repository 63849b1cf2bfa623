import { isExact } from '@linkspan/contract/bson/ordered.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import {
  type DigestReply,
  type DigestRequest,
  type KeyDigestReply,
  type KeyDigestRequest,
  chunkDigest,
  documentDigest,
} from '@linkspan/contract/push/digest.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import { KEY_BYTES_AT_ONCE } from '../source/reader.ts';

/** The most that one request reads of the destination. */
const READ_AT_MOST = 2000;

/** Keys of one side that are looked up at the other, to learn which of the two is ahead. */
const SAMPLE = 100;

/** Keys up to so many bytes count for one of those that are kept, longer ones for as many as they hold. */
const KEY_BYTES = 128;

/** Suspects are handed out on the way once they are this part of what is kept of a side. */
const HANDED_OUT_PART = 1 / 5;

/** How the destination is read. */
export interface DestinationReads {
  digest(request: DigestRequest): Promise<DigestReply>;
  keyDigests(request: KeyDigestRequest): Promise<KeyDigestReply>;
}

/** What a comparison has come to since it was last asked. */
export interface Compared {
  /** Raw key up to which both sides are compared; null if it is the one of before. */
  readonly position: Buffer | null;
  /** Of the source, up to that key. */
  readonly documents: number;
  /** Raw keys that were not equal on both sides; each is decided by comparing it by itself. */
  readonly suspects: readonly Buffer[];
}

interface Unmatched {
  readonly digest: Buffer;
  readonly order: number;
}

/** Documents of one side that the other has not shown yet: in the order of `_id`, as they came. */
class Side {
  readonly unmatched = new Map<string, Unmatched>();
  /** What they hold in memory, in keys of {@link KEY_BYTES} bytes. */
  #weight = 0;
  /** Documents that it has shown. */
  shown = 0;
  /** How many of them come up to the last key that both sides have shown. */
  reached = 0;

  get weight(): number {
    return this.#weight;
  }

  add(key: string, one: Unmatched): void {
    this.unmatched.set(key, one);
    this.#weight += weightOf(key);
  }

  delete(key: string): void {
    if (this.unmatched.delete(key)) this.#weight -= weightOf(key);
  }

  /** Takes out what the other side passed by. */
  takePassed(): string[] {
    const passed: string[] = [];
    for (const [key, { order }] of this.unmatched) {
      if (order >= this.reached) break;
      passed.push(key);
    }
    for (const key of passed) this.delete(key);
    return passed;
  }

  /** Keys spread over those that are unmatched. */
  sample(): Buffer[] {
    const step = Math.ceil(this.unmatched.size / SAMPLE);
    return [...this.unmatched.keys()]
      .filter((_, index) => index % step === 0)
      .map((key) => Buffer.from(key, 'latin1'));
  }

  takeAll(): string[] {
    const all = [...this.unmatched.keys()];
    this.unmatched.clear();
    this.#weight = 0;
    return all;
  }
}

/** @param key raw bytes, a character each */
function weightOf(key: string): number {
  return Math.ceil(key.length / KEY_BYTES);
}

/**
 * Compares one collection of both sides by digests over raw bytes, each side walked once in the order of
 * its `_id` index. A chunk without a difference is settled by one digest; in others documents are
 * matched by the bytes of their keys. The order of keys is the servers' own and is not known here: that
 * both sides have shown a key tells that both have passed all that comes before it.
 */
export class Comparison {
  readonly #reads: DestinationReads;
  readonly #namespace: Namespace;
  readonly #after: Buffer | null;
  readonly #keepAtMost: number;
  readonly #source = new Side();
  readonly #destination = new Side();
  #cursor: string | null = null;
  #isOpen = true;
  #suspects: string[] = [];
  #suspectsWeight = 0;
  #position: Buffer | null = null;
  #counted = 0;

  /**
   * @param after raw key behind which it begins; null: at the first document
   * @param keepAtMost unmatched keys of one side that are kept in memory before they are given up as
   *   suspects, in keys of 128 bytes (invariant I6)
   */
  constructor(
    reads: DestinationReads,
    namespace: Namespace,
    after: Buffer | null,
    keepAtMost: number,
  ) {
    this.#reads = reads;
    this.#namespace = namespace;
    this.#after = after;
    this.#keepAtMost = keepAtMost;
  }

  /**
   * The source's next documents. Nothing happens unless it is iterated. Before it comes to the next of
   * the source it may pass any number that the destination alone has: what it has come to meanwhile is
   * yielded, as {@link take} would give it, and counts by itself. The position may be before those
   * suspects, so that they are found once more by who goes on from there.
   */
  async *add(documents: readonly Buffer[]): AsyncGenerator<Compared, void> {
    const last = documents.at(-1);
    if (last === undefined) return;
    const isAligned = this.#source.unmatched.size === 0 && this.#destination.unmatched.size === 0;
    if (isAligned && this.#isOpen) {
      if (await this.#readDestination(documents.length, chunkDigest(documents))) {
        this.#source.shown += documents.length;
        this.#destination.shown += documents.length;
        this.#reach(keyOf(last).toString('latin1'), this.#source.shown, this.#destination.shown);
        return;
      }
    }
    for (const document of documents) this.#showSource(document);
    if (!isAligned) await this.#align();
    this.#collect(keyOf(last));
    yield* this.#limitMemory();
  }

  /** There are no more. Yields as {@link add} does; the rest is to be taken. */
  async *finish(): AsyncGenerator<Compared, void> {
    while (this.#isOpen) {
      await this.#readDestination(READ_AT_MOST, null);
      if (this.#destination.weight > this.#keepAtMost) this.#giveUp(this.#destination);
      yield* this.#handOut();
    }
    this.#giveUp(this.#source);
    yield* this.#handOut();
    this.#giveUp(this.#destination);
    this.#source.reached = this.#source.shown;
  }

  /** What it has come to since this was last called. */
  take(): Compared {
    // What lies before the position is not looked at again, whichever read has moved it there.
    this.#suspect(this.#source.takePassed());
    this.#suspect(this.#destination.takePassed());
    const compared = {
      position: this.#position,
      documents: this.#source.reached - this.#counted,
      suspects: this.#suspects.map((key) => Buffer.from(key, 'latin1')),
    };
    this.#counted = this.#source.reached;
    this.#position = null;
    this.#suspects = [];
    this.#suspectsWeight = 0;
    return compared;
  }

  /** Lets the destination show as many as the source is ahead, so that the next chunk can be equal. */
  async #align(): Promise<void> {
    const behind = this.#source.unmatched.size - this.#destination.unmatched.size;
    if (behind <= 0 || !this.#isOpen) return;
    await this.#readDestination(Math.min(behind, READ_AT_MOST), null);
  }

  #collect(last: Buffer): void {
    if (!this.#isOpen) {
      // It shows nothing any more: what the source alone has shown is not there.
      this.#giveUp(this.#source);
      const isPast = this.#destination.unmatched.size === 0;
      if (isPast) this.#reach(last.toString('latin1'), this.#source.shown, this.#destination.shown);
    }
    this.#suspect(this.#source.takePassed());
    this.#suspect(this.#destination.takePassed());
  }

  /**
   * Very many in a row are on one side alone. If the destination has some of the source's, it comes to
   * them later and what it has shown is too much; else they are missing there.
   */
  async *#limitMemory(): AsyncGenerator<Compared, void> {
    if (this.#source.weight <= this.#keepAtMost) return;
    if (!(await this.#hasSomeOfSource())) {
      this.#giveUp(this.#source);
      return;
    }
    this.#giveUp(this.#destination);
    yield* this.#handOut();
    while (this.#isOpen && this.#source.weight > this.#keepAtMost / 2) {
      await this.#readDestination(READ_AT_MOST, null);
      this.#suspect(this.#destination.takePassed());
      if (this.#destination.weight > this.#keepAtMost) this.#giveUp(this.#destination);
      yield* this.#handOut();
    }
  }

  /** By a sample of those that it has not shown; one that no command can name tells nothing. */
  async #hasSomeOfSource(): Promise<boolean> {
    let room = KEY_BYTES_AT_ONCE;
    const keys = this.#source.sample().filter((key) => {
      if (!isExact(key) || key.length > room) return false;
      room -= key.length;
      return true;
    });
    if (keys.length === 0) return false;
    const { documents } = await this.#reads.keyDigests({ ...this.#namespace, keys });
    return documents.length > 0;
  }

  /** They would be as many as the destination has too much. */
  *#handOut(): Generator<Compared, void> {
    if (this.#suspectsWeight > this.#keepAtMost * HANDED_OUT_PART) yield this.take();
  }

  #suspect(keys: readonly string[]): void {
    for (const key of keys) {
      this.#suspects.push(key);
      this.#suspectsWeight += weightOf(key);
    }
  }

  #giveUp(side: Side): void {
    this.#suspect(side.takeAll());
  }

  /** Reads the destination's next documents; true if they are those of the digest. */
  async #readDestination(limit: number, expect: Uint8Array | null): Promise<boolean> {
    const { db, coll } = this.#namespace;
    const cursor = this.#cursor;
    const after = cursor === null ? this.#after : null;
    const reply = await this.#reads.digest({ db, coll, cursor, after, limit, expect });
    this.#cursor = reply.cursor;
    this.#isOpen = reply.cursor !== null;
    for (const { key, hash } of reply.documents) {
      const text = Buffer.from(key).toString('latin1');
      this.#show(this.#destination, this.#source, text, Buffer.from(hash));
    }
    return reply.equal;
  }

  #showSource(document: Buffer): void {
    const key = keyOf(document).toString('latin1');
    this.#show(this.#source, this.#destination, key, documentDigest(document));
  }

  #show(mine: Side, other: Side, key: string, digest: Buffer): void {
    const order = mine.shown;
    mine.shown += 1;
    const match = other.unmatched.get(key);
    if (match === undefined) {
      mine.add(key, { digest, order });
      return;
    }
    other.delete(key);
    if (!match.digest.equals(digest)) this.#suspect([key]);
    const [source, destination] =
      mine === this.#source ? [order, match.order] : [match.order, order];
    this.#reach(key, source + 1, destination + 1);
  }

  #reach(key: string, source: number, destination: number): void {
    if (source <= this.#source.reached) return;
    this.#source.reached = source;
    this.#destination.reached = Math.max(this.#destination.reached, destination);
    const position = Buffer.from(key, 'latin1');
    // A place that no command can name is none to go on from.
    if (isExact(position)) this.#position = position;
  }
}
