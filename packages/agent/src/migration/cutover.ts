import { formatNamespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import { PushRefusedError } from '../push/errors.ts';
import { WriteBlockRefusedError } from '../source/writeBlock.ts';
import { CutoverFailedError, type CutoverStep, type MigrationContext, persist } from './context.ts';
import { Drain, type Steps } from './drain.ts';
import { differenceAtRest, listAtRest } from './lastListing.ts';
import { LIFTING } from './lifting.ts';
import type { Structure } from './structure.ts';
import { allSeriesAgain, seriesUnchanged } from './seriesPasses.ts';
import { reportVerification } from './verificationReport.ts';
import type { Verifier } from './verifier.ts';
import type { WriteBlock } from './writeBlock.ts';

/** How long a failed cutover tries to lift its write block before it says that it could not. */
const LIFT_MS = 30_000;

export type CutoverPhase = 'DRAINING' | 'VERIFYING' | 'FINALIZING';

const STEPS: readonly (readonly [CutoverStep, CutoverPhase])[] = [
  ['BLOCK_WRITES', 'DRAINING'],
  ['DRAIN', 'DRAINING'],
  ['UNIQUE_INDEXES', 'DRAINING'],
  ['VERIFY', 'VERIFYING'],
  ['TTL_LIVE', 'FINALIZING'],
  ['COMPARE', 'FINALIZING'],
  ['LOOK_AGAIN', 'FINALIZING'],
];

/**
 * Step 7, the cutover (rule D22). Each step leads to the next; what none of them can stand leads back.
 *
 *     step            comes to its end when                             leads back when
 *     BLOCK_WRITES    the source's writes are blocked, where that is    the source, or its side, refuses
 *                     wanted (D23)
 *     DRAIN           all up to a time T is at the destination (D21)    writes keep coming, or it is away
 *     UNIQUE_INDEXES  they are built; TTL ones are inert                one refuses
 *     VERIFY          every document is equal (D19)                     it cannot be made equal
 *     TTL_LIVE        TTL indexes and options delete again              it is refused
 *     COMPARE         names, options and indexes are equal (D5)         anything differs
 *     LOOK_AGAIN      a second time T' has passed the stream and all    the source was written since T, or
 *                     is at the destination (D21); time series are      its write block was lifted
 *                     still equal (D20); the source lists what the
 *                     journal has (D5)
 *     (end)           the server has COMPLETE, which it takes once: it is told until it answers
 *
 * Back means: TTL inert and unique indexes gone again, the write block lifted, the server told the
 * reason; the migration is WORKING. A process that ends in any step leaves a journal that is started as
 * from back, and a write block that is lifted by its record.
 */
export class Cutover {
  readonly #context: MigrationContext;
  readonly #structure: Structure;
  readonly #drain: Drain;
  readonly #verifier: Verifier;
  readonly #isFull: boolean;
  /** null where the migration does not ask for one. */
  readonly #writeBlock: WriteBlock | null;
  #phase: CutoverPhase | null = null;
  #verified = { collections: 0, documents: 0 };
  #report: Verification | null = null;

  /** @param isFull everything is compared once more, whatever the background has compared */
  constructor(
    context: MigrationContext,
    steps: Steps,
    writeBlock: WriteBlock | null,
    isFull: boolean,
  ) {
    this.#isFull = isFull;
    this.#context = context;
    this.#structure = steps.structure;
    this.#drain = new Drain(context, steps);
    this.#verifier = steps.verifier;
    this.#writeBlock = writeBlock;
  }

  /** null while no cutover is under way. */
  get phase(): CutoverPhase | null {
    return this.#phase;
  }

  /** What is known of the verification, as it was when all was equal. */
  get report(): Verification {
    return this.#report ?? reportVerification(this.#context.journal);
  }

  /**
   * Carries out one attempt.
   * @returns what was verified
   * @throws {CutoverFailedError} after the destination was made what it is while tailing
   */
  async run(): Promise<{ collections: number; documents: number }> {
    const { hooks } = this.#context;
    const carryOut: Record<CutoverStep, () => Promise<void>> = {
      BLOCK_WRITES: () => this.#blockWrites(),
      DRAIN: () => this.#drainAll(),
      UNIQUE_INDEXES: () => this.#enter('unique', 'building unique indexes'),
      VERIFY: () => this.#verify(),
      TTL_LIVE: () => this.#makeTtlLive(),
      COMPARE: () => this.#compareStructure(),
      LOOK_AGAIN: () => this.#lookAgain(),
    };
    this.#verifier.hurry();
    try {
      for (const [step, phase] of STEPS) {
        this.#phase = phase;
        await hooks.beforeCutoverStep?.(step);
        await carryOut[step]();
      }
      return this.#verified;
    } catch (error) {
      throw isFailure(error) ? await this.#goBack(error) : error;
    } finally {
      this.#phase = null;
    }
  }

  async #goBack({ message }: Error): Promise<CutoverFailedError> {
    this.#structure.enterStage('tail');
    this.#verifier.relax();
    const problem = await this.#lift();
    return new CutoverFailedError(problem === null ? message : `${message}. ${problem}`);
  }

  async #blockWrites(): Promise<void> {
    const block = this.#writeBlock;
    if (block === null) return;
    this.#drain.begin();
    await this.#drain.ask('blocking the writes of the source', (signal) => block.set(signal));
  }

  /** @returns what is to be said if it could not be lifted in time, or null */
  async #lift(): Promise<string | null> {
    const block = this.#writeBlock;
    const { signal, log } = this.#context;
    const scope = {
      ...this.#context,
      signal: AbortSignal.any([signal, AbortSignal.timeout(LIFT_MS)]),
    };
    try {
      await persist(scope, LIFTING, async () => block?.lift());
      return null;
    } catch (error) {
      signal.throwIfAborted();
      log.error(
        { reason: (error as Error).message },
        'the write block at the source is not lifted',
      );
      this.#context.waiting.clear(LIFTING);
      return `The writes of the source may still be blocked: the migration host goes on trying to lift that; "linkspan agent unblock" there lifts it, too`;
    }
  }

  async #drainAll(): Promise<void> {
    this.#drain.begin();
    this.#structure.relist();
    await this.#drain.drain();
  }

  async #makeTtlLive(): Promise<void> {
    this.#verifier.hold();
    this.#structure.makeTtlLive();
    await this.#drain.settled('making TTL indexes live');
  }

  async #enter(stage: 'unique' | 'final', what: string): Promise<void> {
    this.#structure.enterStage(stage);
    await this.#drain.settled(what);
  }

  /** What the background has not compared, and what was pushed since. */
  async #verify(): Promise<void> {
    if (this.#isFull) this.#verifier.again();
    else allSeriesAgain(this.#context);
    await this.#drain.verified();
    this.#context.journal.verifications.noteEnded();
    this.#report = reportVerification(this.#context.journal);
    const { collectionsVerified, documentsVerified, keysVerified } = this.#report;
    // What a walk has seen and a change has made differ counts again: each was compared.
    this.#verified = {
      collections: collectionsVerified,
      documents: documentsVerified + keysVerified,
    };
  }

  /**
   * D5, D22: names as listed on both sides, and a reconciliation that finds nothing to change: the
   * server compares options and indexes, and says what it did.
   */
  async #compareStructure(): Promise<void> {
    const structure = this.#structure;
    structure.relist();
    await this.#enter('final', 'comparing names and structure');
    this.#refuseChanges();
    const { journal, pusher, selection } = this.#context;
    const { namespaces } = await this.#drain.whileAnswered('comparing names', (signal) =>
      pusher.listing(signal),
    );
    const there = new Set(namespaces.map((namespace) => namespaceKey(namespace)));
    const here = new Set<string>();
    for (const { source } of journal.incarnations.live()) {
      const destination = selection.destinationOf(source);
      here.add(namespaceKey(destination));
      if (!there.has(namespaceKey(destination))) {
        throw new CutoverFailedError(
          `${formatNamespace(destination)} is missing at the destination`,
        );
      }
    }
    for (const namespace of namespaces) {
      if (here.has(namespaceKey(namespace))) continue;
      throw new CutoverFailedError(
        `${formatNamespace(namespace)} was made for this migration and is not at the source any more`,
      );
    }
  }

  async #lookAgain(): Promise<void> {
    const block = this.#writeBlock;
    const isSet = await this.#drain.ask(
      'asking the source for its write block',
      async () => block === null || (await block.isStillSet()),
    );
    if (!isSet) {
      throw new CutoverFailedError(
        'the write block at the source was lifted after the cutover began: cut over again',
      );
    }
    await this.#drain.lookAgain();
    await this.#drain.whileAnswered('comparing time series', (signal) =>
      seriesUnchanged({ ...this.#context, signal }),
    );
    await this.#compareWithSource();
  }

  /** D5: all steps before rest on what the journal has, so the source is asked for that itself. */
  async #compareWithSource(): Promise<void> {
    const listed = await this.#drain.whileAnswered('listing the names of the source', (signal) => {
      const scope = { ...this.#context, signal };
      return persist(scope, 'listing the source', () => listAtRest(scope));
    });
    this.#drain.checkHopeless();
    this.#refuseChanges();
    const difference = differenceAtRest(this.#context, listed);
    if (difference !== null) throw new CutoverFailedError(`${difference}: cut over again`);
  }

  #refuseChanges(): void {
    const { changes } = this.#structure;
    if (changes.length === 0) return;
    throw new CutoverFailedError(
      `the structure of the destination changed while it was compared: ${changes.join('; ')}`,
    );
  }
}

/** True for what fails a cutover, and not the migration or its session. */
function isFailure(error: unknown): error is Error {
  return (
    error instanceof CutoverFailedError ||
    error instanceof PushRefusedError ||
    error instanceof WriteBlockRefusedError
  );
}
