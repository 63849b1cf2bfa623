import { chunkDigest, documentDigest } from '@linkspan/contract/push/digest.ts';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { DigestCursorLostError } from '../push/errors.ts';
import { readRange } from '../source/reader.ts';
import { type MigrationContext, isSourceFault } from './context.ts';
import { walkInOrder } from './orderedVerifier.ts';
import { recover } from './recover.ts';

/** Documents of one chunk: digests of so many are compared at once. */
const CHUNK = 1000;

/** Unmatched keys that are kept in memory before they are given up as different (invariant I6). */
const UNMATCHED_AT_MOST = 50_000;

export interface Verified {
  readonly documents: number;
  /** Keys that were not equal on both sides; marked as dirty. */
  readonly differences: number;
}

/**
 * Step 6: compares a collection on both sides with one cursor each, by digests over raw bytes
 * (rule D19), and marks as dirty every key that is not equal. Where changes go on meanwhile, keys are
 * marked that only lag behind: that costs a read and a push, and nothing else. One routine verifies a
 * cutover and repairs what a lost history may have changed.
 *
 * Both sides are walked in the order of their `_id` index. Chunks without a difference are settled by
 * one digest; in others documents are matched by the bytes of their keys, whatever their order.
 *
 * @returns null if the collection was dropped or renamed meanwhile
 * @throws {PushRefusedError}
 */
export async function verifyCollection(
  context: MigrationContext,
  id: number,
): Promise<Verified | null> {
  for (;;) {
    const names = context.lives.nameChanges(id);
    const incarnation = context.journal.incarnations.get(id);
    if (incarnation === undefined || incarnation.state === 'ENDED') return null;
    if (incarnation.destination === null) return null;
    const what = `verifying ${formatNamespace(incarnation.source)}`;
    try {
      const verified =
        incarnation.capped === null
          ? await walk(context, incarnation)
          : await walkInOrder(context, incarnation);
      if (context.lives.nameChanges(id) !== names) return null;
      context.waiting.clear(what);
      return verified;
    } catch (error) {
      if (error instanceof DigestCursorLostError) {
        context.waiting.set(what, `${what}: ${error.message}`);
      } else if (isSourceFault(error)) await recover(context, id, what, error);
      else throw error;
    }
  }
}

async function walk(context: MigrationContext, incarnation: Incarnation): Promise<Verified> {
  const { gate, source } = context;
  const comparison = new Comparison(context, incarnation);
  const whole = { lower: null, upper: null };
  let readAt = gate.position.time;
  for await (const { documents, time } of readRange(
    source,
    incarnation.source,
    whole,
    gate.position.time,
    () => CHUNK,
  )) {
    context.signal.throwIfAborted();
    readAt = time;
    if (documents.length > 0) await comparison.add(documents);
  }
  const verified = await comparison.finish();
  // D7: whether the name was still this collection's shows once the stream has passed the read.
  await gate.waitFor(readAt, context.signal);
  return verified;
}

/** Both walks of one collection. */
class Comparison {
  readonly #context: MigrationContext;
  readonly #incarnation: Incarnation;
  /** Digest by key, of documents that one side has shown and the other has not. */
  readonly #onlySource = new Map<string, Buffer>();
  readonly #onlyDestination = new Map<string, Buffer>();
  #cursor: string | null = null;
  #isOpen = true;
  #documents = 0;
  #differences = 0;

  constructor(context: MigrationContext, incarnation: Incarnation) {
    this.#context = context;
    this.#incarnation = incarnation;
  }

  async add(documents: readonly Buffer[]): Promise<void> {
    this.#documents += documents.length;
    const isAligned = this.#onlySource.size === 0 && this.#onlyDestination.size === 0;
    const expect = isAligned ? chunkDigest(documents) : null;
    const isEqual = this.#isOpen && (await this.#readDestination(documents.length, expect));
    if (isEqual) return;
    for (const document of documents) {
      const key = keyOf(document).toString('latin1');
      this.#match(key, documentDigest(document), this.#onlySource, this.#onlyDestination);
    }
    this.#limitMemory();
  }

  async finish(): Promise<Verified> {
    while (this.#isOpen) {
      await this.#readDestination(CHUNK, null);
      this.#limitMemory();
    }
    this.#giveUp(this.#onlySource);
    this.#giveUp(this.#onlyDestination);
    return { documents: this.#documents, differences: this.#differences };
  }

  /** Reads the destination's next documents; true if they are those of the digest. */
  async #readDestination(limit: number, expect: Uint8Array | null): Promise<boolean> {
    const { destination } = this.#incarnation;
    if (destination === null) return false;
    const { cursor, equal, documents } = await this.#context.pusher.digest(
      { ...destination, cursor: this.#cursor, limit, expect },
      this.#context.signal,
    );
    this.#cursor = cursor;
    this.#isOpen = cursor !== null;
    for (const { key, hash } of documents) {
      this.#match(
        Buffer.from(key).toString('latin1'),
        Buffer.from(hash),
        this.#onlyDestination,
        this.#onlySource,
      );
    }
    return equal;
  }

  #match(
    key: string,
    digest: Buffer,
    mine: Map<string, Buffer>,
    others: Map<string, Buffer>,
  ): void {
    const other = others.get(key);
    if (other === undefined) {
      mine.set(key, digest);
      return;
    }
    others.delete(key);
    if (!other.equals(digest)) this.#mark(key);
  }

  #limitMemory(): void {
    if (this.#onlySource.size > UNMATCHED_AT_MOST) this.#giveUp(this.#onlySource);
    if (this.#onlyDestination.size > UNMATCHED_AT_MOST) this.#giveUp(this.#onlyDestination);
  }

  #giveUp(unmatched: Map<string, Buffer>): void {
    this.#context.journal.transaction(() => {
      for (const key of unmatched.keys()) this.#mark(key);
    });
    unmatched.clear();
  }

  /** What is right is read back from the source, so it does not matter which side was wrong. */
  #mark(key: string): void {
    const { journal, gate, work } = this.#context;
    this.#differences += 1;
    journal.dirty.mark({
      incarnation: this.#incarnation.id,
      collated: this.#incarnation.collated,
      documentKey: Buffer.from(key, 'latin1'),
      operation: 'write',
      time: gate.position.time,
    });
    work.notify();
  }
}
