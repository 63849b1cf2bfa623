import { chunkDigest } from '@linkspan/contract/push/digest.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { cutBySize } from '../source/cutBySize.ts';
import { readInOrder } from '../source/reader.ts';
import type { MigrationContext } from './context.ts';
import { requestRecopy } from './recopy.ts';

const CHUNK = 1000;

/** Digests of so many bytes are compared at once. */
const CHUNK_BYTES = 16 * 1024 * 1024;

const DOUBTS_SHOWN = 3;

/**
 * Capped collections whose order differs although a cutover has drained. One is copied again; what differs
 * after that without a change would do so for ever, and is named (rule D17).
 */
export class OrderDoubts {
  readonly #recopied = new Set<number>();
  readonly #lasting = new Set<number>();

  /** For another attempt, or after the last one. */
  forget(): void {
    this.#recopied.clear();
    this.#lasting.clear();
  }

  wasRecopied(id: number): boolean {
    return this.#recopied.has(id);
  }

  note(id: number): void {
    (this.#recopied.has(id) ? this.#lasting : this.#recopied).add(id);
  }

  /** What differs for good, and what to do about it, in words; null if nothing does. */
  describe(nameOf: (id: number) => string): string | null {
    if (this.#lasting.size === 0) return null;
    const names = [...this.#lasting].slice(0, DOUBTS_SHOWN).map(nameOf).join(', ');
    return `${this.#lasting.size} capped collections still differ after they were copied again (${names}): something else writes to the destination, or it evicts other documents than the source does. Stop what writes there, or give them a larger cap at the source, and cut over again`;
  }
}

/**
 * Step 6 for capped collections (rule D12): both sides are walked in natural order and must show the
 * same documents at the same places. Where they do not, the collection is made and copied again;
 * where it only lags behind changes that are still to be pushed, nothing is done yet.
 *
 * @param wasRecopied another copy of what has not changed since would differ again
 * @returns documents that were compared, 1 if the sides differ, and whether they do so for another reason than
 *   that the destination lags behind
 */
export async function walkInOrder(
  context: MigrationContext,
  { id, source: namespace, destination, capped, toRepair }: Incarnation,
  wasRecopied: boolean,
): Promise<{ documents: number; differences: number; isInDoubt: boolean }> {
  const { source, gate, signal, pusher, journal, lives, log, work } = context;
  if (destination === null) return { documents: 0, differences: 0, isInDoubt: false };
  const names = lives.nameChanges(id);
  const isBehind = journal.dirty.countOf(id) > 0;
  const pushed = journal.keysToVerify.newest(id);
  let documents = 0;
  let cursor: string | null = null;
  let isOpen = true;
  let readAt = gate.position.time;
  const isNext = async (limit: number, expect: Uint8Array | null): Promise<boolean> => {
    const walk = { ...destination, cursor, limit, expect, order: 'natural' } as const;
    const reply = await pusher.digest(walk, signal);
    cursor = reply.cursor;
    isOpen = cursor !== null;
    return expect === null ? reply.count === 0 : reply.equal;
  };
  const isEqual = async (): Promise<boolean> => {
    for await (const batch of readInOrder(source, namespace, readAt, () => CHUNK)) {
      signal.throwIfAborted();
      readAt = batch.time;
      for (const chunk of cutBySize(batch.documents, CHUNK_BYTES)) {
        documents += chunk.length;
        if (!isOpen || !(await isNext(chunk.length, chunkDigest(chunk)))) return false;
      }
    }
    return !isOpen || isNext(1, null);
  };
  const equal = await isEqual();
  // D7: whether the name was still this collection's shows once the stream has passed the read.
  await gate.waitFor(readAt, signal);
  if (equal) return { documents, differences: 0, isInDoubt: false };
  const mayOnlyLag =
    isBehind || journal.dirty.countOf(id) > 0 || journal.keysToVerify.newest(id) !== pushed;
  const isInDoubt = lives.nameChanges(id) === names && (toRepair || !mayOnlyLag);
  if (isInDoubt && !wasRecopied) {
    log.info({ namespace }, 'the natural order differs: the collection is copied again');
    requestRecopy(journal, id, capped);
    work.notify();
  }
  return { documents, differences: 1, isInDoubt };
}
