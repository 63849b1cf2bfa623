import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { DirtyKey } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { MigrationContext } from './context.ts';

/** The server's code of two documents with one key in a unique index. */
export const DUPLICATE_KEY = 11_000;

/** Pairs that the unique indexes of one collection are built again for. */
const PAIRS_AT_MOST = 100;

/**
 * Rule D17, of a document that was refused for another one's key. The source cannot hold both, so the
 * other one has changed there or gone: it is pushed as it is now. The refused one is deleted before it is
 * inserted again, and so makes way itself: documents that swap their keys, in pairs or in a ring, would
 * refuse each other for ever.
 * @param holder the other one's key, raw BSON in base64, where it was found
 * @returns the same as bytes, or null
 */
export function makeWay(
  context: MigrationContext,
  incarnation: Incarnation,
  key: DirtyKey,
  { holder: encoded }: { readonly holder?: string },
): Buffer | null {
  const { journal } = context;
  const { id } = incarnation;
  const holder = encoded === undefined ? null : Buffer.from(encoded, 'base64');
  journal.transaction(() => {
    if (holder !== null) markHolders(context, incarnation, [holder]);
    // Behind, so that a lane full of those that are refused gets to those that hold their keys.
    if (key.operation === 'write') journal.dirty.recreateBehind(id, key);
  });
  return holder;
}

/** Marks what is not marked yet: the last operation of what is stays as it is (rule D3). */
function markHolders(
  { journal, gate }: MigrationContext,
  { id, collated }: Incarnation,
  holders: readonly Buffer[],
): void {
  const { time } = gate.position;
  for (const documentKey of holders) {
    if (journal.dirty.has(id, documentKey)) continue;
    journal.dirty.mark({ incarnation: id, collated, documentKey, operation: 'write', time });
  }
}

/**
 * Rule D17, of a unique index that cannot be built, since two documents at the destination have one key:
 * both are pushed as the source has them now, and it is built again. If the same two refuse it once more,
 * they are so at the source, too.
 */
export class UniqueConflicts {
  readonly #context: MigrationContext;
  readonly #pairs = new Map<number, Set<string>>();

  constructor(context: MigrationContext) {
    this.#context = context;
  }

  clear(): void {
    this.#pairs.clear();
  }

  delete(id: number): void {
    this.#pairs.delete(id);
  }

  /** Incarnations of which something is still to be pushed before an index is tried again. */
  underWay(): number[] {
    const { dirty } = this.#context.journal;
    return [...this.#pairs.keys()].filter((id) => dirty.countOf(id) > 0);
  }

  /**
   * @param reason what the destination said
   * @param encoded keys of the two, raw BSON in base64
   * @returns false if pushing them helps no more, or nobody knows who they are
   */
  resolve(incarnation: Incarnation, reason: string, encoded: readonly string[] = []): boolean {
    const { journal, work, log } = this.#context;
    const { id, source } = incarnation;
    const pairs = this.#pairs.get(id) ?? new Set();
    const pair = encoded.toSorted().join(' ');
    const holders = encoded.map((key) => Buffer.from(key, 'base64'));
    if (holders.length < 2 || pairs.has(pair) || pairs.size === PAIRS_AT_MOST) return false;
    this.#pairs.set(id, pairs.add(pair));
    log.warn({ namespace: formatNamespace(source), reason }, 'pushed again for a unique index');
    journal.transaction(() => markHolders(this.#context, incarnation, holders));
    work.notify();
    return true;
  }
}
