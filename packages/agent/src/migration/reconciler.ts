import {
  type Namespace,
  formatNamespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import type { ReconcileRequest } from '@linkspan/contract/push/structure.ts';
import type { Document } from 'mongodb';
import type { Incarnation } from '../journal/incarnations.ts';
import type { IndexStage } from '../journal/journal.ts';
import { PushRefusedError } from '../push/errors.ts';
import { capOf } from '../source/capped.ts';
import { type ListedNamespace, listNamed } from '../source/listing.ts';
import { viewAtDestination } from '@linkspan/contract/namespaces/views.ts';
import { type MigrationContext, MigrationFailedError, persist } from './context.ts';
import { whyNotThere } from './destinationName.ts';
import { expiresDocuments, wantedIndexes, wantedOptions } from './indexes.ts';
import { addFound, describe, endUnseen, isSame } from './listSourceInto.ts';
import { requestRecopy } from './recopy.ts';
import { cutIntoMessages } from './structureMessages.ts';
import { UniqueConflicts } from './uniqueConflict.ts';

const REFUSED_PAUSE_MS = 5000;
const LOOK_AGAIN_MS = 5000;

/** Collections that one listing serves at least: servers read their whole catalogue for it. */
const AT_ONCE = 500;
/** However many there are, no more listings than so many serve all of them. */
const MOST_LISTINGS = 10;

/** Indexes of a collection of so many bytes take their time, and no other collection waits for them. */
const ALONE_BYTES = 16 * 1024 * 1024;

/** A reconciliation under way: what was known of the collection before it was listed. */
interface Begun {
  readonly id: number;
  readonly namespace: Namespace;
  readonly names: number;
  readonly structures: number;
}

/** One that the listing has shown. */
interface Found extends Begun {
  readonly found: ListedNamespace;
}

/** What the destination said of one: what it changed, or why it refused. */
type Answer =
  | { readonly changes: readonly string[] }
  | { readonly refused: string; readonly isGone: boolean; readonly holders?: readonly string[] };

/**
 * Makes collections and views at the destination as the source has them, many with one listing. What
 * the listing shows of each counts by itself: once the stream has passed it without a drop or rename
 * of that name in between (rule D7).
 */
export class Reconciler {
  readonly #context: MigrationContext;
  #stage: IndexStage;
  #round = 0;
  #changes: string[] = [];
  readonly #refusals = new Map<number, string>();
  /** By incarnation, in milliseconds of a clock that only goes forward. */
  readonly #notBefore = new Map<number, number>();
  readonly #conflicts: UniqueConflicts;
  #lookAgainAt = 0;

  constructor(context: MigrationContext) {
    this.#context = context;
    this.#conflicts = new UniqueConflicts(context);
    this.#stage = context.journal.state()?.stage ?? 'tail';
  }

  /** From now on with the indexes of that stage; what is under way does not count for it. */
  startRound(stage: IndexStage): void {
    this.#stage = stage;
    this.#round += 1;
    this.#changes = [];
    this.#refusals.clear();
    this.#notBefore.clear();
    this.#conflicts.clear();
  }

  /** What was changed at the destination since {@link startRound}, and {@link note noted}, in words. */
  get changes(): readonly string[] {
    return this.#changes;
  }

  /** Kept in the last stage alone: nobody asks for it before that (invariant I6). */
  note(...changes: readonly string[]): void {
    if (this.#stage === 'final') this.#changes.push(...changes);
  }

  get refusals(): ReadonlyMap<number, string> {
    return this.#refusals;
  }

  isPostponed(id: number): boolean {
    return (this.#notBefore.get(id) ?? 0) > performance.now();
  }

  /** Shows why one was refused, and leaves it for a while. */
  postpone(id: number, namespace: Namespace | null, reason: string): void {
    const name = namespace === null ? '' : formatNamespace(namespace);
    this.#refusals.set(id, `${name}: ${reason}`);
    this.#notBefore.set(id, performance.now() + REFUSED_PAUSE_MS);
    this.#context.log.warn({ namespace: name, reason }, 'structure was refused');
  }

  /** Nothing is kept of it any more. */
  succeeded(id: number): void {
    this.#refusals.delete(id);
    this.#notBefore.delete(id);
    this.#conflicts.delete(id);
  }

  /** Reconciles the oldest ones that wait for it; false if there were none. */
  async next(): Promise<boolean> {
    const { journal, lives, gate, source, signal, hooks, sizes, work } = this.#context;
    const postponed = [...this.#notBefore.keys()].filter((id) => this.isPostponed(id));
    postponed.push(...this.#conflicts.underWay());
    const waiting = this.#waiting(postponed);
    const begun = (waiting.length > 0 ? waiting : this.#unsupported()).map(
      ({ id, source: namespace }): Begun => {
        const [names, structures] = [lives.nameChanges(id), lives.structureChanges(id)];
        return { id, namespace, names, structures };
      },
    );
    if (begun.length === 0) return false;
    const round = this.#round;
    const asked = begun.map(({ namespace }) => namespace);
    using watch = lives.watchNames();
    const listed = await persist(this.#context, `listing ${describe(asked)}`, () =>
      listNamed(source, asked, gate.position.time),
    );
    for (const name of asked) await hooks.afterListing?.(formatNamespace(name));
    await gate.waitFor(listed.to, signal);
    const seen = new Map(listed.namespaces.map((one) => [namespaceKey(one.namespace), one]));
    const toPush: Found[] = [];
    for (const one of begun) {
      if (lives.nameChanges(one.id) !== one.names) continue;
      const current = journal.incarnations.get(one.id);
      if (current === undefined) continue;
      const listedNow = seen.get(namespaceKey(one.namespace));
      const found = listedNow && this.#judge(current, listedNow);
      if (found !== undefined && isSame(current, found)) {
        if (found.unsupported === null) toPush.push({ ...one, found });
        else this.#settle({ ...one, found }, round);
        continue;
      }
      // What was dropped may have been made again since, and written to under this incarnation.
      if (listedNow === undefined && watch.has(one.namespace)) continue;
      // No event told of it: a source before 6.0, or a collection that lived only for a moment.
      journal.transaction(() => {
        const noted = (change: string): void => this.note(change);
        endUnseen(journal, current, noted);
        // Should it have gone again, its own reconciliation finds that.
        if (listedNow !== undefined) addFound(journal, listedNow, listed.from, noted);
      });
      lives.nameChanged(one.id);
      sizes.expectMore();
    }
    await this.#push(toPush, round);
    work.notify();
    return true;
  }

  /** Asked for all the time: how many there are is counted only where many wait. */
  #waiting(postponed: readonly number[]): Incarnation[] {
    const { journal } = this.#context;
    const first = journal.pending.toReconcile(postponed, AT_ONCE);
    if (first.length < AT_ONCE) return first;
    const share = Math.ceil(journal.totals().collections / MOST_LISTINGS);
    return share > AT_ONCE ? journal.pending.toReconcile(postponed, share) : first;
  }

  /** With the reason why it cannot have its name at the destination, if there is one. */
  #judge(incarnation: Incarnation, found: ListedNamespace): ListedNamespace {
    if (found.unsupported !== null) return found;
    return { ...found, unsupported: whyNotThere(this.#context, incarnation, found) };
  }

  #destinationOf({ source, destination }: Incarnation): Namespace {
    return destination ?? this.#context.selection.destinationOf(source);
  }

  /** Nothing tells that a view was dropped, so what cannot be moved is looked at again now and then. */
  #unsupported(): Incarnation[] {
    const now = performance.now();
    if (now < this.#lookAgainAt) return [];
    this.#lookAgainAt = now + LOOK_AGAIN_MS;
    return this.#context.journal.pending.unsupported(AT_ONCE);
  }

  async #push(all: readonly Found[], round: number): Promise<void> {
    const { journal, locks } = this.#context;
    const isLarge = ({ id }: Found): boolean =>
      (journal.incarnations.get(id)?.bytesTotal ?? 0) > ALONE_BYTES;
    const alone = all.filter(isLarge).map((one) => [one]);
    const together = cutIntoMessages(all.filter((one) => !isLarge(one)));
    for (const group of [...together, ...alone]) {
      const ids = group.map(({ id }) => id);
      await locks.sharedAll(ids, () => this.#pushGroup(group, round));
    }
  }

  async #pushGroup(group: readonly Found[], round: number): Promise<void> {
    const { journal, lives } = this.#context;
    const ready = group.flatMap((one) => {
      if (this.#isRecopied(one)) return [];
      const incarnation = journal.incarnations.get(one.id);
      const isCurrent = incarnation !== undefined && lives.nameChanges(one.id) === one.names;
      if (!isCurrent || journal.structural.concerns(one.id)) return [];
      // What has the name there may still have to be dropped or renamed.
      const isTaken = journal.incarnations.isTaken(this.#destinationOf(incarnation), one.id);
      return isTaken ? [] : [{ one, incarnation }];
    });
    const requests = ready.map(({ one, incarnation }) => this.#requestFor(one, incarnation));
    const answers = await this.#send(requests);
    for (const [index, { one, incarnation }] of ready.entries()) {
      const answer = answers[index];
      if (answer === undefined) continue;
      if (!('refused' in answer)) this.#pushed(one, incarnation, answer.changes, round);
      // What was refused was asked for in another life, or under another name: it is looked at anew.
      else if (lives.nameChanges(one.id) !== one.names) continue;
      else if (answer.isGone) this.#gone(incarnation, answer.refused);
      else if (!this.#conflicts.resolve(incarnation, answer.refused, answer.holders)) {
        this.#refused(incarnation, answer.refused);
      }
    }
    // Before anything is pushed into a new one: after a power cut nobody would drop it.
    if (ready.some(({ incarnation }) => incarnation.destination === null)) journal.sent.sync();
  }

  /**
   * What caps a collection is not changed but made again (rule D12): it is reconciled once it was copied,
   * with all that it has then.
   */
  #isRecopied(one: Found): boolean {
    const { journal, lives } = this.#context;
    const incarnation = journal.incarnations.get(one.id);
    if (incarnation === undefined || lives.nameChanges(one.id) !== one.names) return false;
    const cap = capOf(one.found.options);
    if (!incarnation.toRecopy && (incarnation.destination === null || incarnation.capped === cap)) {
      return false;
    }
    if (incarnation.capped !== cap) {
      requestRecopy(journal, one.id, cap);
      // What is read in another way is worth nothing any more.
      lives.nameChanged(one.id);
    }
    journal.incarnations.update(one.id, { toReconcile: false });
    return true;
  }

  #requestFor({ found }: Found, incarnation: Incarnation): ReconcileRequest {
    const destination = this.#destinationOf(incarnation);
    const options = wantedOptions(found.options, this.#stage);
    const made = incarnation.destination !== null && { made: true };
    if (found.type === 'view') {
      const { selection } = this.#context;
      const there = viewAtDestination(selection, found.namespace, options);
      return { action: 'view', ...destination, options: there, ...made };
    }
    // Its first reconciliation makes it alone: an index that is refused is no reason not to have it.
    const indexes = incarnation.destination === null ? [] : this.#indexesOf(found, incarnation);
    const buckets = found.buckets && { buckets: true };
    return { action: 'collection', ...destination, options, indexes, ...buckets, ...made };
  }

  #indexesOf({ indexes }: ListedNamespace, { state }: Incarnation): Document[] {
    return wantedIndexes(indexes, state, this.#stage);
  }

  async #send(requests: readonly ReconcileRequest[]): Promise<Answer[]> {
    const { pusher, signal } = this.#context;
    if (requests.length === 0) return [];
    try {
      const { results } = await pusher.structures(requests, signal);
      return results.map(({ changes, refused }) => {
        if (refused === null) return { changes };
        const { code, message, holders = [] } = refused;
        return { refused: message, isGone: code === 'NAMESPACE_GONE', holders };
      });
    } catch (error) {
      if (!(error instanceof PushRefusedError)) throw error;
      if (requests.length === 1) return [{ refused: error.message, isGone: false }];
      // The message as such was refused: by itself, each shows whether it is the reason.
      const answers: Answer[] = [];
      for (const request of requests) answers.push(...(await this.#send([request])));
      return answers;
    }
  }

  #pushed(one: Found, incarnation: Incarnation, changes: readonly string[], round: number): void {
    const { id, found } = one;
    this.note(...changes);
    // The answer to the attempt that made it may have been lost, and this one had nothing to do.
    const isNew = incarnation.destination === null;
    if (isNew) this.note(`${formatNamespace(this.#destinationOf(incarnation))}: made`);
    this.succeeded(id);
    const { journal } = this.#context;
    const [collated, capped] = [found.options['collation'] !== undefined, capOf(found.options)];
    journal.transaction(() => {
      journal.incarnations.update(id, {
        destination: this.#destinationOf(incarnation),
        collated,
        capped,
        buckets: found.buckets,
        expires: expiresDocuments(found.options, found.indexes),
      });
      if (isNew && (collated || capped !== null)) journal.dirty.shareLane(id);
    });
    // What was only made waits for another reconciliation, which gives it its indexes.
    const isWhole = !isNew || this.#indexesOf(found, incarnation).length === 0;
    this.#settle(one, round, isWhole);
  }

  /** It is reconciled, unless something happened to it since it was listed or not all of it was asked for. */
  #settle({ id, names, structures, found }: Found, round: number, isWhole = true): void {
    const { journal, lives } = this.#context;
    const isCurrent = lives.structureChanges(id) === structures && this.#round === round;
    journal.incarnations.update(id, {
      unsupported: found.unsupported,
      ...(lives.nameChanges(id) === names && { uuid: found.uuid }),
      ...(isCurrent && isWhole && { toReconcile: false }),
    });
  }

  /** What it held there went with it: it is made and copied again, and reconciled after that. */
  #gone({ id, capped }: Incarnation, reason: string): void {
    const { journal, lives, log } = this.#context;
    log.warn({ reason }, 'what was copied is gone at the destination: it is copied again');
    this.note(reason);
    this.succeeded(id);
    requestRecopy(journal, id, capped);
    // What is read for the collection as it was there is worth nothing any more.
    lives.nameChanged(id);
  }

  /**
   * A collection that cannot be made at all ends the migration. A later refusal, as of an index that the
   * destination cannot build, is shown and tried again; a cutover fails on it.
   */
  #refused({ id, source, destination, toRepair, capped }: Incarnation, reason: string): void {
    if (destination === null) {
      throw new MigrationFailedError(`${formatNamespace(source)} cannot be created: ${reason}`);
    }
    this.postpone(id, source, reason);
    const isTakenOver = this.#context.journal.verifications.run().repair === 'HOST_REPLACED';
    if (!toRepair || !isTakenOver) return;
    // It may have been made unseen with options that the one at the destination cannot get.
    const { journal, lives } = this.#context;
    journal.transaction(() => {
      requestRecopy(journal, id, capped);
      journal.incarnations.update(id, { toRepair: false });
    });
    lives.nameChanged(id);
  }
}
