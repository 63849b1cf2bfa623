import {
  type Namespace,
  formatNamespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { IndexStage } from '../journal/journal.ts';
import type { StructuralChange } from '../journal/structuralChanges.ts';
import { PushRefusedError } from '../push/errors.ts';
import { type ListedNamespace, listOne } from '../source/listing.ts';
import { end } from './applyEvent.ts';
import { type MigrationContext, MigrationFailedError, persist } from './context.ts';
import { expiresDocuments, wantedIndexes, wantedOptions } from './indexes.ts';
import { isSame, listNamesInto, listSourceInto } from './listSourceInto.ts';

const IDLE_MS = 1000;
const REFUSED_PAUSE_MS = 5000;

/**
 * Step 4: makes the destination's structure equal to the source's. Drops and renames are repeated in
 * their order, alone with their collection (rule D16); everything else is reconciled from a listing,
 * never replayed. One worker does all of it, so that structure changes one at a time.
 */
export class Structure {
  readonly #context: MigrationContext;
  #stage: IndexStage;
  #listingsWanted = 0;
  #listingsMade = 0;
  #round = 0;
  /** Changes that reconciling made at the destination since {@link startRound}. */
  #changes: string[] = [];
  /** Why the last reconciliation of a collection was refused, by incarnation. */
  readonly refusals = new Map<number, string>();
  /** By incarnation, in milliseconds of a clock that only goes forward. */
  readonly #notBefore = new Map<number, number>();

  constructor(context: MigrationContext) {
    this.#context = context;
    this.#stage = context.journal.state()?.stage ?? 'tail';
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
      journal.structural.count() === 0 &&
      journal.incarnations.live().every(({ toReconcile }) => !toReconcile)
    );
  }

  /** Reconciles everything again, with the indexes of that stage. */
  enterStage(stage: IndexStage): void {
    const { journal, work } = this.#context;
    this.#stage = stage;
    this.#round += 1;
    this.#changes = [];
    this.refusals.clear();
    this.#notBefore.clear();
    journal.transaction(() => {
      journal.saveStage(stage);
      for (const { id } of journal.incarnations.live()) {
        journal.incarnations.update(id, { toReconcile: true });
      }
    });
    work.notify();
  }

  /** What was changed at the destination since {@link enterStage}, in words. */
  get changes(): readonly string[] {
    return this.#changes;
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
    if (journal.incarnations.live().every(({ destination }) => destination !== null)) return;
    const { namespaces } = await pusher.listing(signal);
    const known = new Set(journal.incarnations.destinations().map(namespaceKey));
    for (const { db, coll, type } of namespaces) {
      if (known.has(namespaceKey({ db, coll }))) continue;
      if (type === 'collection') {
        const look = { db, coll, cursor: null, limit: 1, expect: null };
        if ((await pusher.digest(look, signal)).count > 0) continue;
      }
      await pusher.structure({ action: 'drop', db, coll }, signal);
      log.info({ namespace: formatNamespace({ db, coll }) }, 'dropped what a crash left behind');
    }
  }

  /** True if something was done. */
  async #doNext(): Promise<boolean> {
    const { journal } = this.#context;
    const now = performance.now();
    const change = journal.structural.first();
    if (change !== undefined) {
      // What comes later may be about the same names, so it waits.
      if ((this.#notBefore.get(change.incarnation) ?? 0) > now) return false;
      await this.#repeat(change);
      return true;
    }
    if (this.#listingsMade !== this.#listingsWanted) {
      const wanted = this.#listingsWanted;
      await listSourceInto(this.#context);
      this.#listingsMade = wanted;
      return true;
    }
    const next = journal.incarnations
      .live()
      .find(({ id, toReconcile }) => toReconcile && (this.#notBefore.get(id) ?? 0) <= now);
    if (next === undefined) return false;
    await this.#reconcile(next);
    return true;
  }

  /** Does a drop or rename at the destination, once nothing of the collection is in flight. */
  async #repeat(change: StructuralChange): Promise<void> {
    const { journal, locks, pusher, signal, log, work } = this.#context;
    await locks.exclusive(change.incarnation, async () => {
      const incarnation = journal.incarnations.get(change.incarnation);
      const from = incarnation?.destination ?? null;
      try {
        if (from !== null) await pusher.structure(requestFor(change, from), signal);
      } catch (error) {
        if (!(error instanceof PushRefusedError)) throw error;
        this.#postpone(change.incarnation, from, error);
        return;
      }
      this.refusals.delete(change.incarnation);
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

  /** What is kept in memory of a collection goes with it (invariant I6). */
  #forgetRemoved(id: number): void {
    const { journal, lives, sizes } = this.#context;
    if (journal.incarnations.get(id) !== undefined) return;
    lives.forget(id);
    sizes.forget(id);
    this.#notBefore.delete(id);
  }

  async #reconcile({ id, source: namespace }: Incarnation): Promise<void> {
    const { journal, lives, gate, source, signal, hooks } = this.#context;
    const names = lives.nameChanges(id);
    const structures = lives.structureChanges(id);
    const round = this.#round;
    const listed = await persist(this.#context, `listing ${formatNamespace(namespace)}`, () =>
      listOne(source, namespace, gate.position.time),
    );
    await hooks.afterListing?.(formatNamespace(namespace));
    await gate.waitFor(listed.to, signal);
    if (lives.nameChanges(id) !== names) return;
    const { found } = listed;
    const current = journal.incarnations.get(id);
    if (current === undefined) return;
    if (found === null || !isSame(current, found)) {
      // No event told of it: a source before 6.0, or a collection that lived only for a moment.
      journal.transaction(() => end(journal, current, null));
      lives.nameChanged(id);
      if (found !== null) await listNamesInto(this.#context, [namespace]);
      return;
    }
    const { unsupported } = found;
    if (unsupported === null && !(await this.#push(id, found))) return;
    const isCurrent = lives.structureChanges(id) === structures && this.#round === round;
    journal.incarnations.update(id, {
      unsupported,
      ...(lives.nameChanges(id) === names && { uuid: found.uuid }),
      ...(isCurrent && { toReconcile: false }),
    });
    this.#context.work.notify();
  }

  /** False if the destination refused. */
  async #push(id: number, found: ListedNamespace): Promise<boolean> {
    const { journal, locks, pusher, signal } = this.#context;
    return locks.shared(id, async () => {
      const incarnation = journal.incarnations.get(id);
      if (incarnation === undefined || journal.structural.concerns(id)) return false;
      const destination = incarnation.destination ?? incarnation.source;
      const options = wantedOptions(found.options, this.#stage);
      const indexes = wantedIndexes(found.indexes, incarnation.state, this.#stage);
      try {
        const { changes } =
          found.type === 'view'
            ? await pusher.structure({ action: 'view', ...destination, options }, signal)
            : await pusher.structure(
                { action: 'collection', ...destination, options, indexes },
                signal,
              );
        this.#changes.push(...changes);
      } catch (error) {
        this.#refused(incarnation, error);
        return false;
      }
      this.refusals.delete(id);
      journal.incarnations.update(id, {
        destination,
        collated: found.options['collation'] !== undefined,
        expires: expiresDocuments(found.options, found.indexes),
      });
      return true;
    });
  }

  /**
   * A collection that cannot be made at all ends the migration. A later refusal (an index that the
   * destination cannot build) is shown and tried again; a cutover fails on it.
   */
  #refused(incarnation: Incarnation, error: unknown): void {
    if (!(error instanceof PushRefusedError)) throw error;
    const name = formatNamespace(incarnation.source);
    if (incarnation.destination === null) {
      throw new MigrationFailedError(`${name} cannot be created: ${error.message}`);
    }
    this.#postpone(incarnation.id, incarnation.source, error);
  }

  /** Shows why, and tries again later. */
  #postpone(id: number, namespace: Namespace | null, error: PushRefusedError): void {
    const name = namespace === null ? '' : formatNamespace(namespace);
    this.refusals.set(id, `${name}: ${error.message}`);
    this.#notBefore.set(id, performance.now() + REFUSED_PAUSE_MS);
    this.#context.log.warn({ namespace: name, reason: error.message }, 'structure was refused');
  }
}

function requestFor(change: StructuralChange, from: Namespace): StructureRequest {
  if (change.kind === 'drop') return { action: 'drop', ...from };
  return { action: 'rename', ...from, toDb: change.to.db, toColl: change.to.coll };
}
