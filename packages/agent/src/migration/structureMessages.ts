import { MAX_STRUCTURES } from '@linkspan/contract/push/structure.ts';
import { BSON } from 'mongodb';
import type { ListedNamespace } from '../source/listing.ts';

/** Requests pushed together hold so many bytes at most. */
const TOGETHER_BYTES = 4 * 1024 * 1024;

/**
 * Runs that each go into one `structures` message: of {@link MAX_STRUCTURES}, and of 4 MiB at most; a larger
 * one stands alone.
 */
export function cutIntoMessages<T extends { readonly found: ListedNamespace }>(
  all: readonly T[],
): T[][] {
  const runs: T[][] = [];
  let bytes = Infinity;
  for (const one of all) {
    const { options, indexes } = one.found;
    const own = BSON.serialize({ options, indexes }).length;
    if (bytes + own > TOGETHER_BYTES || runs.at(-1)?.length === MAX_STRUCTURES) {
      runs.push([]);
      bytes = 0;
    }
    runs.at(-1)?.push(one);
    bytes += own;
  }
  return runs;
}
