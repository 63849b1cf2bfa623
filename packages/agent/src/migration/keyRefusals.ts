import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { DirtyKey } from '../journal/dirtyKeys.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { IndexStage } from '../journal/journal.ts';
import { type MigrationContext, MigrationFailedError } from './context.ts';
import { describeKey } from './ranges.ts';

/** A key that was refused this often in a row, unchanged, is told of, and a cutover fails on it. */
const REFUSALS_AT_MOST = 20;

/**
 * Its collection is reconciled so often meanwhile: a source does not tell of all that may end it. Before
 * 6.0 it tells of no index, and no version tells of one that it gives up building.
 */
const RECONCILE_AGAIN_MS = 30_000;

/** With no answer of the destination for so long, as while a side was away, nothing was tried meanwhile. */
const GAP_MS = 60_000;

interface Refusals {
  readonly incarnation: number;
  readonly documentKey: Buffer;
  readonly what: string;
  /** When the key had last changed at the source: after another change it is counted anew. */
  readonly markedAt: ClusterTime;
  readonly stage: IndexStage;
  readonly times: number;
  /** When it was refused last, by the same clock as {@link askedAt}. */
  readonly refusedAt: number;
  /** When its collection was last asked to be reconciled, in milliseconds of a clock that only goes forward. */
  readonly askedAt: number;
  /** Since when it goes on being refused, without a gap, by what was reconciled; null if it was not yet. */
  readonly inVainSince: number | null;
}

type RefusalsContext = Pick<MigrationContext, 'journal' | 'lives' | 'work' | 'log' | 'options'>;

/**
 * Documents that the destination refuses, key by key. A refusal may be a matter of structure, so the
 * collection is reconciled at once, and now and then while it lasts (rule D16).
 */
export class KeyRefusals {
  readonly #context: RefusalsContext;
  readonly #now: () => number;
  /** By incarnation and key. */
  readonly #refusals = new Map<string, Refusals>();
  #answeredAt = -Infinity;
  /** When the destination answered again after the last {@link GAP_MS gap}. */
  #resumedAt = -Infinity;

  /** @param now milliseconds of a clock that only goes forward */
  constructor(context: RefusalsContext, now = () => performance.now()) {
    this.#context = context;
    this.#now = now;
  }

  /**
   * A document that the destination goes on to refuse although that may pass with the structure that
   * it has now; for a cutover to fail on, which clears it.
   */
  stuck: string | null = null;

  accepted(id: number, keys: readonly DirtyKey[]): void {
    this.#answered();
    if (this.#refusals.size === 0) return;
    for (const key of keys) this.#refusals.delete(refusalKey(id, key));
  }

  /**
   * @param holder the key of the document that is in the way, or null
   * @throws {MigrationFailedError} if it is refused for `refusedMs` although its collection was reconciled,
   *   also since it was asked for last
   */
  note(
    { id, destination }: Incarnation,
    key: DirtyKey,
    message: string,
    holder: Buffer | null,
  ): void {
    if (destination === null) return;
    const { journal, log, options } = this.#context;
    const now = this.#answered();
    // Unique indexes of a cutover refuse what they would take in another order: they go with it.
    const stage = journal.state()?.stage ?? 'tail';
    // Not its sequence, which it has anew when it was refused.
    const { markedAt, documentKey } = key;
    const known = this.#refusals.get(refusalKey(id, key));
    const last = known?.markedAt === markedAt && known.stage === stage ? known : null;
    const isReconciled = last !== null && journal.incarnations.get(id)?.toReconcile !== true;
    const isAfterGap = last !== null && last.refusedAt < this.#resumedAt;
    const knownInVain = isAfterGap ? null : last?.inVainSince;
    const inVainSince = knownInVain ?? (isReconciled ? now : null);
    const times = (last?.times ?? 0) + 1;
    const what = `${formatNamespace(destination)} refuses the document with _id ${describeKey(documentKey)}: ${message}${holder === null ? '' : `: the one with _id ${describeKey(holder)}`}`;
    let askedAt = last?.askedAt ?? now;
    const asks = last === null || (isReconciled && now - askedAt > RECONCILE_AGAIN_MS);
    if (asks) {
      askedAt = now;
      this.#reconcile(id);
      log.warn({ times }, what);
    }
    const counted = { markedAt, stage, times, refusedAt: now, askedAt, inVainSince };
    this.#refusals.set(refusalKey(id, key), { incarnation: id, documentKey, what, ...counted });
    if (times < REFUSALS_AT_MOST) return;
    this.stuck = what;
    const isOver = inVainSince !== null && now - inVainSince >= options.refusedMs;
    // Also one that is asked for by each refusal counts once it is done, and the key is refused again.
    const wasHelped = !asks || last?.askedAt === last?.refusedAt;
    if (isOver && isReconciled && wasHelped && stage === 'tail') {
      throw new MigrationFailedError(what);
    }
  }

  /** One of each collection that goes on being refused, in words. Forgets those that are pushed no more. */
  warnings(): string[] {
    const { dirty } = this.#context.journal;
    const found = new Map<number, string>();
    for (const [name, { incarnation, documentKey, times, what }] of this.#refusals) {
      if (found.has(incarnation)) continue;
      if (!dirty.has(incarnation, documentKey)) this.#refusals.delete(name);
      else if (times >= REFUSALS_AT_MOST) found.set(incarnation, what);
    }
    return [...found.values()];
  }

  /** @returns the time */
  #answered(): number {
    const now = this.#now();
    if (now - this.#answeredAt > GAP_MS) this.#resumedAt = now;
    this.#answeredAt = now;
    return now;
  }

  /** What is under way was listed before, and does not count for it. */
  #reconcile(id: number): void {
    const { journal, lives, work } = this.#context;
    journal.incarnations.update(id, { toReconcile: true });
    lives.structureChanged(id);
    work.notify();
  }
}

function refusalKey(id: number, key: DirtyKey): string {
  return `${id}:${key.comparable.toString('latin1')}`;
}
