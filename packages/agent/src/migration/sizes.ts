import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import type { SourceConnection } from '../source/connection.ts';
import {
  type CollectionStatistics,
  countDocuments,
  measureCollection,
} from '../source/statistics.ts';
import { NumberPool } from './budget.ts';

/** Some servers read the whole collection to answer. */
const AT_ONCE = 1;

/** Of a document, until some were copied. */
export const TYPICAL_BYTES = 1024;

/**
 * Asks the source how large collections are, for progress and for planning. The copy does not wait for
 * it, and it does not begin before the first documents were read, so that a server that is slow to
 * answer does not hold up the start.
 */
export class Sizes {
  readonly #source: SourceConnection;
  readonly #journal: Journal;
  readonly #signal: AbortSignal;
  readonly #turns = new NumberPool(0, AT_ONCE);
  readonly #known = new Set<number>();
  readonly #asked = new Map<number, Promise<CollectionStatistics | null>>();
  #hasBegun = false;
  #isSlow = false;

  constructor(source: SourceConnection, journal: Journal, signal: AbortSignal) {
    this.#source = source;
    this.#journal = journal;
    this.#signal = signal;
  }

  /**
   * Asks for all collections that are known; later ones are asked for as they come.
   * @param isSlow the server is only asked to count; bytes are estimated from what was copied so far
   */
  begin(isSlow: boolean): void {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#isSlow = isSlow;
    for (const incarnation of this.#journal.incarnations.live()) this.expect(incarnation);
  }

  /** Called for a collection that is new. The answer goes into the journal. */
  expect(incarnation: Incarnation): void {
    if (this.#hasBegun && incarnation.type === 'collection') void this.of(incarnation);
  }

  /** True once the source has said how large the collection is. */
  isKnown(id: number): boolean {
    return this.#known.has(id);
  }

  /** Called once the journal does not have it any more, after which nothing of it is kept again (I6). */
  forget(id: number): void {
    this.#known.delete(id);
    this.#asked.delete(id);
  }

  /** For how many something is kept. */
  get size(): number {
    return this.#asked.size;
  }

  /** null where the server does not say, and for a collection that has gone. */
  async of(incarnation: Incarnation): Promise<CollectionStatistics | null> {
    if (this.#journal.incarnations.get(incarnation.id) === undefined) return null;
    let answer = this.#asked.get(incarnation.id);
    if (answer === undefined) {
      answer = this.#measure(incarnation).catch(() => null);
      this.#asked.set(incarnation.id, answer);
    }
    return answer;
  }

  async #measure({ id, source }: Incarnation): Promise<CollectionStatistics> {
    const turn = await this.#turns.acquire(this.#signal);
    try {
      const size = this.#isSlow
        ? this.#estimate(id, await countDocuments(this.#source, source))
        : await measureCollection(this.#source, source);
      this.#signal.throwIfAborted();
      // What was copied meanwhile is known better than any estimate.
      const current = this.#journal.incarnations.get(id);
      if (current !== undefined && current.state !== 'COPIED') {
        this.#journal.incarnations.update(id, {
          documentsTotal: size.documents,
          bytesTotal: size.bytes,
        });
        this.#known.add(id);
      }
      return size;
    } finally {
      this.#turns.release(turn);
    }
  }

  #estimate(id: number, documents: number): CollectionStatistics {
    const { documentsCopied = 0, bytesCopied = 0 } = this.#journal.incarnations.get(id) ?? {};
    const average = documentsCopied === 0 ? TYPICAL_BYTES : bytesCopied / documentsCopied;
    return { documents, bytes: Math.round(documents * average) };
  }
}
