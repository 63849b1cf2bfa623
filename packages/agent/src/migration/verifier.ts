import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Wanted } from '../journal/verifications.ts';
import { DigestCursorLostError } from '../push/errors.ts';
import { readRange } from '../source/reader.ts';
import { type Compared, Comparison } from './comparison.ts';
import { contentOf, targetOf } from './content.ts';
import { type MigrationContext, isReady } from './context.ts';
import { isAt } from './copier.ts';
import { KeyVerifier } from './keyVerifier.ts';
import { noteCompared } from './noteCompared.ts';
import { OrderDoubts, walkInOrder } from './orderedVerifier.ts';
import { describeKey } from './ranges.ts';
import { isCalledSo, recover } from './recover.ts';
import { Rewalks } from './rewalks.ts';
import { VerifierPace } from './verifierPace.ts';

/** What was compared is journaled so often, and as soon as the stream has passed it. */
const SETTLE_MS = 1000;
const SETTLE_CHUNKS = 10;

/** Collections looked up at once: a look goes through all of them. */
const AT_ONCE = 100;

/**
 * Walks at once. Of small collections most of the time goes into waiting for the stream, so a cutover,
 * while writes are stopped, has more of those; their size bounds what is in memory (invariant I6).
 */
const SIDE_BY_SIDE = 4;
const SMALL_SIDE_BY_SIDE = 16;
const SMALL_BYTES = 1024 * 1024;
const LOOK_ANYWAY_MS = 3000;

const STUCK_SHOWN = 3;

/**
 * Step 6: compares every collection with the destination in the background, once all are copied
 * (rule D19). A walk of both sides finds the keys that may differ; those, and all that are pushed after
 * it began, are compared by themselves (`keyVerifier.ts`). So a cutover compares only what changed since.
 * What differs is marked as dirty and pushed. The same routine repairs what a lost history may have
 * changed (rules D1, D11).
 */
export class Verifier {
  readonly #context: MigrationContext;
  readonly #wanted: () => Wanted;
  readonly #pace: VerifierPace;
  readonly #keys: KeyVerifier;
  readonly #rewalks: Rewalks;
  /** Nothing changes any more, so that the order of capped collections can be compared (rule D12). */
  #isDrained = false;
  readonly #doubts = new OrderDoubts();
  /** When a look found nothing to do. */
  #quietAt = '';

  /** @param wanted numbers of the last verification and repair that were asked for */
  constructor(context: MigrationContext, wanted: () => Wanted) {
    this.#context = context;
    this.#wanted = wanted;
    this.#pace = new VerifierPace(context);
    this.#keys = new KeyVerifier(context, this.#pace);
    this.#rewalks = new Rewalks(context);
  }

  /** Collections that are to be compared because changes of them were missed. */
  get toRepair(): number {
    return this.#context.journal.pending.countToRepair();
  }

  /** Nothing is left to be compared, and all was equal. */
  get isDone(): boolean {
    const { verifications, keysToVerify } = this.#context.journal;
    return keysToVerify.isEmpty() && verifications.isComplete(true);
  }

  /** What goes on differing although it was pushed or copied again, in words, or null. */
  get stuck(): string | null {
    const { keysToVerify, incarnations } = this.#context.journal;
    const count = keysToVerify.countStuck();
    const nameOf = (id: number): string => {
      const found = incarnations.get(id);
      return found === undefined ? 'a collection' : formatNamespace(found.source);
    };
    if (count === 0) return this.#doubts.describe(nameOf);
    const names = keysToVerify
      .stuck(STUCK_SHOWN)
      .map(
        ({ incarnation, documentKey }) => `${nameOf(incarnation)}, _id ${describeKey(documentKey)}`,
      );
    return `${count} documents still differ after they were pushed again (${names.join('; ')}): something else writes to the destination, or the source is written unseen`;
  }

  /** For a cutover, which waits for it: without rests, and what was given up is pushed once more. */
  hurry(): void {
    this.#context.journal.keysToVerify.retryStuck();
    this.#pace.set('hurried');
    this.#rewalks.wakeAll();
    this.#context.work.notify();
  }

  /**
   * Before the destination deletes documents by itself: nothing is compared any more, and what was
   * compared where it may do so does not count any more if the cutover fails.
   */
  hold(): void {
    this.#pace.set('held');
    const { journal } = this.#context;
    journal.transaction(() => {
      for (const id of journal.verifications.expiring()) journal.verifications.restart(id);
    });
  }

  /** For a cutover that has drained: now the order of capped collections has to be the same. */
  finish(): void {
    // What differed while the source was written may be equal now.
    this.#context.journal.keysToVerify.retryStuck();
    this.#doubts.forget();
    this.#isDrained = true;
    this.#quietAt = '';
  }

  /** Back to the background. */
  relax(): void {
    this.#isDrained = false;
    this.#doubts.forget();
    this.#pace.set('background');
    this.#context.work.notify();
  }

  /** From the start, whatever was compared before. */
  again(): void {
    const { journal, work } = this.#context;
    journal.transaction(() => journal.verifications.again(null));
    work.notify();
  }

  /** Runs until the signal aborts. */
  async run(): Promise<never> {
    return Promise.race([this.#walkAll(), this.#keys.run()]);
  }

  async #walkAll(): Promise<never> {
    const { journal } = this.#context;
    for (;;) {
      this.#takeWanted();
      this.#restartCapped();
      const looked = this.#revision;
      if (looked === this.#quietAt || !this.#pace.mayRun) {
        await this.#pace.idle();
        continue;
      }
      const ids = journal.verifications.next(AT_ONCE, this.#isDrained);
      const [small, large] = this.#bySize(ids);
      const atOnce = this.#pace.isHurried ? SMALL_SIDE_BY_SIDE : SIDE_BY_SIDE;
      await concurrently(small, atOnce, (id) => this.#goOn(id));
      await concurrently(large, SIDE_BY_SIDE, (id) => this.#goOn(id));
      this.#noteDone();
      this.#rewalks.limit(this.#pace.isHurried);
      if (ids.length === 0) this.#quietAt = this.#revision;
    }
  }

  #bySize(ids: readonly number[]): [small: number[], large: number[]] {
    const { incarnations } = this.#context.journal;
    const isLarge = (id: number): boolean => {
      const { bytesTotal = 0, bytesCopied = 0 } = incarnations.get(id) ?? {};
      return Math.max(bytesTotal, bytesCopied) > SMALL_BYTES;
    };
    return [ids.filter((id) => !isLarge(id)), ids.filter(isLarge)];
  }

  /** While it is the same, a look finds what it found before; from time to time it changes anyway. */
  get #revision(): string {
    const { incarnations, verifications, keysToVerify } = this.#context.journal;
    const time = Math.floor(performance.now() / LOOK_ANYWAY_MS);
    return `${incarnations.revision} ${verifications.revision} ${keysToVerify.revision} ${time}`;
  }

  /** What was asked for begins once. */
  #takeWanted(): void {
    const { journal, log } = this.#context;
    if (this.#pace.isHeld) return;
    const { verify, repair } = this.#wanted();
    const { taken } = journal.verifications.run();
    if (verify <= taken.verify && repair <= taken.repair) return;
    const isRepair = repair > taken.repair;
    // A repair that is not over stays one, for the reason that it has.
    const underWay =
      journal.pending.countToRepair() > 0 ? journal.verifications.run().repair : null;
    journal.transaction(() => {
      journal.verifications.again(isRepair ? 'REQUESTED' : underWay);
      if (isRepair) journal.incarnations.reconcileAll({ repair: true });
      journal.verifications.saveTaken({ verify, repair });
    });
    log.info({ verify, repair }, 'everything is compared again, as it was asked for');
  }

  /** For a cutover: what was pushed since the order of a capped collection was compared may be anywhere. */
  #restartCapped(): void {
    if (!this.#isDrained) return;
    const { journal } = this.#context;
    for (const id of journal.keysToVerify.incarnations()) {
      const isCapped = (journal.incarnations.get(id)?.capped ?? null) !== null;
      if (!isCapped || journal.dirty.countOf(id) > 0) continue;
      if (journal.verifications.of(id)?.done !== true) continue;
      journal.transaction(() => journal.verifications.restart(id));
    }
  }

  #noteDone(): void {
    const { journal, log, work } = this.#context;
    const { verifications } = journal;
    for (const { id, source } of verifications.repaired()) {
      journal.incarnations.update(id, { toRepair: false });
      const { documents, found } = verifications.of(id) ?? {};
      log.info({ namespace: formatNamespace(source), documents, found }, 'collection repaired');
      work.notify();
    }
    const { begun, ended } = verifications.run();
    if (begun === null || ended !== null || !verifications.isComplete(false)) return;
    verifications.noteEnded();
    log.info({ ...verifications.totals() }, 'all collections are verified');
  }

  async #goOn(id: number): Promise<void> {
    const { journal, waiting } = this.#context;
    const incarnation = journal.incarnations.get(id);
    if (incarnation === undefined || !isReady(journal, incarnation)) return;
    const what = `verifying ${formatNamespace(incarnation.source)}`;
    try {
      if (incarnation.capped === null) await this.#walk(incarnation);
      else await this.#walkCapped(incarnation);
      waiting.clear(what);
    } catch (error) {
      if (!(error instanceof DigestCursorLostError)) {
        await recover(this.#context, incarnation, what, error);
        return;
      }
      waiting.set(what, `${what}: ${error.message}`, () => !isCalledSo(this.#context, incarnation));
      await this.#pace.idle();
    }
  }

  /** All of it at once; one that only lags behind is compared again later. */
  async #walkCapped(incarnation: Incarnation): Promise<void> {
    const { journal, lives, hooks } = this.#context;
    const { id } = incarnation;
    const { verifications } = journal;
    const names = lives.nameChanges(id);
    await hooks.beforeVerifying?.(formatNamespace(incarnation.source));
    const { walk } = journal.transaction(() => {
      verifications.noteBegun();
      return verifications.begin(id);
    });
    const walked = await walkInOrder(this.#context, incarnation, this.#doubts.wasRecopied(id));
    const { documents, differences, isInDoubt } = walked;
    if (lives.nameChanges(id) !== names) return;
    if (isInDoubt && this.#isDrained) this.#doubts.note(id);
    journal.transaction(() => {
      if (journal.incarnations.get(id)?.toRecopy === true) {
        verifications.addFound(id);
        journal.incarnations.update(id, { toRepair: false });
      } else if (differences === 0 && verifications.advance(id, walk, null, documents)) {
        verifications.finish(id, walk);
        const { found, repaired } = verifications.of(id) ?? { found: 0, repaired: 0 };
        for (let count = repaired; count < found; count += 1) verifications.addRepaired(id);
      }
    });
    if (differences > 0) await this.#pace.idle();
  }

  /** From where it is journaled, to the end of the collection or as far as it may. */
  async #walk(incarnation: Incarnation): Promise<void> {
    const { id, source: namespace } = incarnation;
    const target = targetOf(incarnation);
    const { source, journal, lives, gate, pusher, signal, hooks, options } = this.#context;
    if (target === null) return;
    const names = lives.nameChanges(id);
    await hooks.beforeVerifying?.(formatNamespace(namespace));
    const { walk, position } = journal.transaction(() => {
      journal.verifications.noteBegun();
      return journal.verifications.begin(id);
    });
    const reads = {
      digest: (request: Parameters<typeof pusher.digest>[0]) => pusher.digest(request, signal),
      keyDigests: (request: Parameters<typeof pusher.keyDigests>[0]) =>
        pusher.keyDigests(request, signal),
    };
    if (position === null) this.#rewalks.begun(id);
    const { verifyChunk, unmatchedAtMost } = options;
    const comparison = new Comparison(reads, target, position, unmatchedAtMost);
    const settle = async (compared: Compared, isWhole: boolean): Promise<boolean> => {
      // D7: whether the name was still this collection's shows once the stream has passed the read.
      await gate.waitFor(readAt, signal);
      if (lives.nameChanges(id) !== names) return false;
      return noteCompared(this.#context, { id, walk }, compared, isWhole);
    };
    const after = gate.position.time;
    const range = { lower: position, upper: null };
    let readAt = after;
    let settledAt = performance.now();
    let started = settledAt;
    let chunks = 0;
    const content = contentOf(incarnation);
    for await (const batch of readRange(source, content, range, after, () => verifyChunk)) {
      const { documents } = batch;
      readAt = batch.time;
      if (isAt(documents[0], position)) documents.shift();
      for await (const part of comparison.add(documents)) {
        if (!(await settle(part, false))) return;
      }
      await hooks.afterRead?.('verify', formatNamespace(namespace));
      const now = performance.now();
      chunks += 1;
      if (gate.hasPassed(readAt) || now - settledAt >= SETTLE_MS || chunks >= SETTLE_CHUNKS) {
        if (!(await settle(comparison.take(), false))) return;
        settledAt = now;
        chunks = 0;
      }
      await this.#pace.rest(now - started);
      if (!this.#pace.mayRun) return;
      started = performance.now();
    }
    for await (const part of comparison.finish()) {
      if (!(await settle(part, false))) return;
      await this.#pace.rest(performance.now() - started);
      started = performance.now();
    }
    if (await settle(comparison.take(), true)) this.#rewalks.ended(id);
  }
}
