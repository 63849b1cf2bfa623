import type { Document } from 'mongodb';
import type { CopyState } from '../journal/incarnations.ts';
import type { IndexStage } from '../journal/journal.ts';

/** The largest that servers take: a TTL index with it deletes nothing in any realistic time. */
const INERT_SECONDS = 2_147_483_647;

/**
 * Which indexes the destination is to have now, of those of the source (rule D22):
 * - while its collection is copied: none, since building them afterwards is cheaper;
 * - `tail`: those that cannot refuse a write, TTL ones inert. Keys are pushed in another order than
 *   they were written, so a unique index could be violated in passing;
 * - `unique`: all, TTL ones inert;
 * - `final`: all, as they are.
 */
export function wantedIndexes(
  indexes: readonly Document[],
  state: CopyState,
  stage: IndexStage,
): Document[] {
  if (state !== 'COPIED') return [];
  const wanted = stage === 'tail' ? indexes.filter((index) => !isUnique(index)) : [...indexes];
  return stage === 'final' ? wanted : wanted.map(inert);
}

/** The collection's options to have now: what expires documents is inert until the end, too. */
export function wantedOptions(options: Document, stage: IndexStage): Document {
  if (stage === 'final') return options;
  // Not a large number: for what is clustered, servers refuse one that reaches back before 1970.
  const { expireAfterSeconds: _live, ...rest } = options;
  return rest;
}

/** True if the server itself deletes documents of the collection. */
export function expiresDocuments(options: Document, indexes: readonly Document[]): boolean {
  return [options, ...indexes].some((holder) => holder['expireAfterSeconds'] !== undefined);
}

/** Also one that is being made unique refuses duplicates. Flags may be numbers of any type. */
function isUnique({ unique, prepareUnique }: Document): boolean {
  return Number(unique ?? 0) !== 0 || Number(prepareUnique ?? 0) !== 0;
}

function inert(holder: Document): Document {
  return holder['expireAfterSeconds'] === undefined
    ? holder
    : { ...holder, expireAfterSeconds: INERT_SECONDS };
}
