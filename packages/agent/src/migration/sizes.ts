import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import type { SourceConnection } from '../source/connection.ts';
import {
  type CollectionStatistics,
  countDocuments,
  measureCollection,
} from '../source/statistics.ts';
import { contentOf } from './content.ts';
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
  readonly #asking = new Map<number, Promise<CollectionStatistics | null>>();
  #hasBegun = false;
  #isSlow = false;
  #isWalking = false;

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
    this.expectMore();
  }

  /** Called when collections are new. The answers go into the journal. */
  expectMore(): void {
    if (!this.#hasBegun || this.#isWalking) return;
    this.#isWalking = true;
    this.#walk()
      // The journal cannot be written: the steps that need it say so.
      .catch(() => undefined)
      .finally(() => (this.#isWalking = false));
  }

  /** null where the server does not say, and for a collection that has gone. */
  async of({ id }: Incarnation): Promise<CollectionStatistics | null> {
    const incarnation = this.#journal.incarnations.get(id);
    if (incarnation === undefined || incarnation.measured === false) return null;
    if (incarnation.measured === true) {
      return { documents: incarnation.documentsTotal, bytes: incarnation.bytesTotal };
    }
    const asking = this.#asking.get(id) ?? this.#ask(incarnation);
    this.#asking.set(id, asking);
    try {
      return await asking;
    } finally {
      this.#asking.delete(id);
    }
  }

  /** One after the other, so that someone who needs an answer does not wait for all of them. */
  async #walk(): Promise<void> {
    for (;;) {
      const next = this.#signal.aborted ? undefined : this.#journal.pending.toMeasure();
      if (next === undefined) break;
      await this.of(next);
    }
  }

  async #ask(incarnation: Incarnation): Promise<CollectionStatistics | null> {
    try {
      return await this.#measure(incarnation);
    } catch {
      if (!this.#signal.aborted) {
        this.#journal.incarnations.update(incarnation.id, { measured: false });
      }
      return null;
    }
  }

  async #measure(incarnation: Incarnation): Promise<CollectionStatistics> {
    const { id } = incarnation;
    const content = contentOf(incarnation);
    const turn = await this.#turns.acquire(this.#signal);
    try {
      const size = this.#isSlow
        ? this.#estimate(id, await countDocuments(this.#source, content))
        : await measureCollection(this.#source, content);
      this.#signal.throwIfAborted();
      // What was copied meanwhile is known better than any estimate.
      const current = this.#journal.incarnations.get(id);
      if (current !== undefined && current.state !== 'COPIED') {
        this.#journal.incarnations.update(id, {
          documentsTotal: size.documents,
          bytesTotal: size.bytes,
          measured: true,
        });
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
