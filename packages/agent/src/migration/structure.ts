import {
  type Namespace,
  formatNamespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import type { IndexStage } from '../journal/journal.ts';
import type { StructuralChange } from '../journal/structuralChanges.ts';
import { PushRefusedError } from '../push/errors.ts';
import type { MigrationContext } from './context.ts';
import { listSourceInto } from './listSourceInto.ts';
import { Reconciler } from './reconciler.ts';
import { requestCopy } from './recopy.ts';
import { takeOver } from './takeOver.ts';

const IDLE_MS = 1000;

/**
 * Step 4: makes the destination's structure equal to the source's. Drops and renames are repeated in
 * their order, alone with their collection (rule D16); everything else is reconciled from a listing,
 * never replayed. One worker does all of it, so that structure changes one at a time.
 */
export class Structure {
  readonly #context: MigrationContext;
  readonly #reconciler: Reconciler;
  readonly #takenBack: (incarnation: number) => Promise<void>;
  #listingsWanted = 0;
  #listingsMade = 0;

  /** @param takenBack comes back once no other host copies of a collection: see `spreader.ts` */
  constructor(context: MigrationContext, takenBack: (incarnation: number) => Promise<void>) {
    this.#context = context;
    this.#takenBack = takenBack;
    this.#reconciler = new Reconciler(context);
  }

  relist(): void {
    this.#listingsWanted += 1;
    this.#context.work.notify();
  }

  /** True if nothing is to be listed, repeated or reconciled. */
  get isSettled(): boolean {
    const { journal } = this.#context;
    return (
      this.#listingsMade === this.#listingsWanted &&
      journal.state()?.isTakingOver !== true &&
      journal.structural.count() === 0 &&
      !journal.pending.hasToReconcile()
    );
  }

  /** Reconciles everything again, with the indexes of that stage. */
  enterStage(stage: IndexStage): void {
    const { incarnations } = this.#context.journal;
    this.#enter(stage, () => incarnations.reconcileAll());
  }

  /** With TTL as the source has it. Of everything else the indexes of the stage before stay as they are. */
  makeTtlLive(): void {
    const { incarnations } = this.#context.journal;
    this.#enter('final', () => incarnations.reconcileExpiring());
  }

  #enter(stage: IndexStage, reconcile: () => void): void {
    const { journal, work } = this.#context;
    this.#reconciler.startRound(stage);
    journal.transaction(() => {
      journal.saveStage(stage);
      reconcile();
    });
    work.notify();
  }

  /**
   * What was changed at the destination since the last stage was entered, and which collections a listing
   * has found or missed since then, in words.
   */
  get changes(): readonly string[] {
    return this.#reconciler.changes;
  }

  /** Why structural changes and reconciliations were refused last, by incarnation. */
  get refusals(): ReadonlyMap<number, string> {
    return this.#reconciler.refusals;
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    const { work, signal } = this.#context;
    await this.#dropLeftBehind();
    for (;;) {
      const { version } = work;
      if (!(await this.#doNext())) await work.wait(version, IDLE_MS, signal);
    }
  }

  /**
   * A crash may come after the destination made a collection and before the journal had it. If it is
   * dropped or renamed at the source meanwhile, nothing would remember it, and no cutover could
   * succeed. What was made so is empty; nothing else is dropped.
   */
  async #dropLeftBehind(): Promise<void> {
    const { journal, pusher, signal, log } = this.#context;
    if (!journal.pending.hasUncreated()) return;
    const { namespaces } = await pusher.listing(signal);
    const known = new Set(journal.incarnations.destinations().map(namespaceKey));
    for (const { db, coll, type, buckets } of namespaces) {
      if (known.has(namespaceKey({ db, coll }))) continue;
      if (type === 'collection') {
        const kind = buckets && { buckets };
        const look = { db, coll, ...kind, cursor: null, limit: 1, expect: null };
        if ((await pusher.digest(look, signal)).count > 0) continue;
      }
      await pusher.structure({ action: 'drop', db, coll }, signal);
      log.info({ namespace: formatNamespace({ db, coll }) }, 'dropped what a crash left behind');
    }
  }

  /** True if something was done. */
  async #doNext(): Promise<boolean> {
    const { journal } = this.#context;
    const change = journal.structural.first();
    if (change !== undefined) {
      // What comes later may be about the same names, so it waits.
      if (this.#reconciler.isPostponed(change.incarnation)) return false;
      await this.#repeat(change);
      return true;
    }
    if (this.#listingsMade !== this.#listingsWanted) {
      const wanted = this.#listingsWanted;
      await listSourceInto(this.#context, (change) => this.#reconciler.note(change));
      this.#listingsMade = wanted;
      if (wanted === this.#listingsWanted) journal.saveToList(false);
      return true;
    }
    if (journal.state()?.isTakingOver === true) {
      // A listing that history was lost under does not count.
      if (journal.state()?.listedAt === null) return false;
      await takeOver(this.#context);
      return true;
    }
    return this.#reconciler.next();
  }

  /** Does a drop or rename at the destination, once nothing of the collection is in flight. */
  async #repeat(change: StructuralChange): Promise<void> {
    const { journal, locks, pusher, signal, log, work } = this.#context;
    await locks.exclusive(change.incarnation, async () => {
      await this.#takenBack(change.incarnation);
      const incarnation = journal.incarnations.get(change.incarnation);
      const from = incarnation?.destination ?? null;
      try {
        if (from !== null && !leavesNameAsItIs(change, from)) {
          await pusher.structure(requestFor(change, from), signal);
        }
      } catch (error) {
        if (!(error instanceof PushRefusedError)) throw error;
        if (!(await this.#isMissing(change, from))) {
          this.#reconciler.postpone(change.incarnation, from, error.message);
          return;
        }
        this.#makeAndCopy(change, error.message);
        return;
      }
      this.#reconciler.succeeded(change.incarnation);
      if (change.kind === 'drop') {
        journal.transaction(() => {
          journal.structural.remove(change.sequence);
          journal.incarnations.update(change.incarnation, { destination: null });
          if (!journal.structural.concerns(change.incarnation)) {
            journal.incarnations.remove(change.incarnation);
          }
        });
        this.#forgetRemoved(change.incarnation);
      } else {
        journal.transaction(() => {
          journal.structural.remove(change.sequence);
          if (from !== null) {
            journal.incarnations.update(change.incarnation, { destination: change.to });
          }
        });
      }
      log.info(
        { kind: change.kind, namespace: from === null ? null : formatNamespace(from) },
        'structural change repeated',
      );
    });
    work.notify();
  }

  /**
   * What is to be renamed may not be there: one that was to be made again was dropped, and a crash came
   * before it was made (rule D12); or somebody has dropped it at the destination. Where the destination
   * refuses to say what is there, it counts as there.
   */
  async #isMissing(change: StructuralChange, from: Namespace | null): Promise<boolean> {
    if (change.kind !== 'rename' || from === null) return false;
    const { pusher, signal, log } = this.#context;
    try {
      const { namespaces } = await pusher.listing(signal);
      const there = new Set(namespaces.map(namespaceKey));
      return !there.has(namespaceKey(from)) && !there.has(namespaceKey(change.to));
    } catch (error) {
      if (!(error instanceof PushRefusedError)) throw error;
      log.warn({ reason: error.message }, 'the destination refuses to list what it has');
      return false;
    }
  }

  #makeAndCopy({ sequence, incarnation: id }: StructuralChange, reason: string): void {
    const { journal, lives, log } = this.#context;
    journal.transaction(() => {
      journal.structural.remove(sequence);
      requestCopy(journal, id);
    });
    this.#reconciler.succeeded(id);
    lives.nameChanged(id);
    log.warn({ reason }, 'it is not at the destination any more: made and copied again');
  }

  /** What is kept in memory of a collection goes with it (invariant I6). */
  #forgetRemoved(id: number): void {
    const { journal, lives } = this.#context;
    if (journal.incarnations.get(id) !== undefined) return;
    lives.forget(id);
    this.#reconciler.succeeded(id);
  }
}

/** Two names of the source may be one at the destination. */
function leavesNameAsItIs(change: StructuralChange, from: Namespace): boolean {
  return change.kind === 'rename' && namespaceKey(change.to) === namespaceKey(from);
}

function requestFor(change: StructuralChange, from: Namespace): StructureRequest {
  if (change.kind === 'drop') return { action: 'drop', ...from, made: true };
  return { action: 'rename', ...from, made: true, toDb: change.to.db, toColl: change.to.coll };
}
