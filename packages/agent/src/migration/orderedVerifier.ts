import { chunkDigest } from '@linkspan/contract/push/digest.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { cutBySize } from '../source/cutBySize.ts';
import { readInOrder } from '../source/reader.ts';
import type { MigrationContext } from './context.ts';
import { requestRecopy } from './recopy.ts';

const CHUNK = 1000;

/** Digests of so many bytes are compared at once. */
const CHUNK_BYTES = 16 * 1024 * 1024;

/**
 * Step 6 for capped collections (rule D12): both sides are walked in natural order and must show the
 * same documents at the same places. Where they do not, the collection is made and copied again;
 * where it only lags behind changes that are still to be pushed, nothing is done yet.
 *
 * @returns documents that were compared, and 1 if the sides differ
 */
export async function walkInOrder(
  context: MigrationContext,
  { id, source: namespace, destination, capped, toRepair }: Incarnation,
): Promise<{ documents: number; differences: number }> {
  const { source, gate, signal, pusher, journal, lives, log, work } = context;
  if (destination === null) return { documents: 0, differences: 0 };
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
  if (equal) return { documents, differences: 0 };
  const mayOnlyLag =
    isBehind || journal.dirty.countOf(id) > 0 || journal.keysToVerify.newest(id) !== pushed;
  if (lives.nameChanges(id) === names && (toRepair || !mayOnlyLag)) {
    log.info({ namespace }, 'the natural order differs: the collection is copied again');
    requestRecopy(journal, id, capped);
    work.notify();
  }
  return { documents, differences: 1 };
}
