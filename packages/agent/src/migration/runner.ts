import { setTimeout as sleep } from 'node:timers/promises';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { MigrationWork, Throttle as Limits } from '@linkspan/contract/push/work.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { Wanted } from '../journal/verifications.ts';
import type { OpenedSession, Pusher } from '../push/pusher.ts';
import type { SourceConnection } from '../source/connection.ts';
import { begin } from './begin.ts';
import { ByteBudget } from './budget.ts';
import {
  DEFAULT_OPTIONS,
  type EngineHooks,
  type EngineLog,
  type EngineOptions,
  type MigrationContext,
  CutoverFailedError,
  MigrationFailedError,
} from './context.ts';
import { Copier } from './copier.ts';
import { Cutover } from './cutover.ts';
import { Flusher } from './flusher.ts';
import { TrackedGate } from './gate.ts';
import { JournalOfSessions } from './journalOfSessions.ts';
import { waitForJournal } from './journalRoom.ts';
import { Lifting } from './lifting.ts';
import { Lives } from './lives.ts';
import { IncarnationLocks } from './locks.ts';
import { Meter } from './meter.ts';
import { Notifier } from './notifier.ts';
import { afterInterruption, measureIdle, measureProgress, unansweredSource } from './progress.ts';
import { keepReporting, Reports } from './reporting.ts';
import { SeriesPasses } from './seriesPasses.ts';
import { Sizes } from './sizes.ts';
import { Spreader } from './spreader.ts';
import { Structure } from './structure.ts';
import { beginWork } from './takeOver.ts';
import { shareOf, Throttle } from './throttle.ts';
import { untilFirst } from './together.ts';
import { Tracker } from './tracker.ts';
import { Verifier } from './verifier.ts';
import { Waiting } from './waiting.ts';
import type { WriteBlock } from './writeBlock.ts';

const REPORT_MS = 1000;

const OPENING = 'opening the push session';

export interface RunnerDependencies {
  readonly work: MigrationWork;
  /** With credentials. */
  readonly sourceUri: string;
  /** The journal's file; made if it is not there. */
  readonly journalPath: string;
  readonly pusher: Pusher;
  readonly log: EngineLog;
  /** The number of the cutover that is wanted now; 0 if none. */
  readonly cutoverAttempt: () => number;
  /** What it may push in a second now; null: as much as it can. */
  readonly throttle: () => Limits | null;
  /** Numbers of the last verification and repair that were asked for; 0 if none. */
  readonly verification: () => Wanted;
  /** Calls back whenever {@link cutoverAttempt} or {@link throttle} may have changed. */
  readonly onWork: (listener: () => void) => () => void;
  /** Why the run before was interrupted, while that is worth telling; null: not. */
  readonly interrupted?: () => string | null;
  /** null where the migration does not ask for one. */
  readonly writeBlock?: WriteBlock | null;
  /**
   * Called once nothing of this cuts over any more, though it may wait for the server or its journal yet: the
   * write block is anybody's to lift.
   */
  readonly letGo?: () => void;
  readonly options?: Partial<EngineOptions>;
  readonly hooks?: EngineHooks;
}

/**
 * Runs one live migration from where its journal stands until it is COMPLETE.
 *
 *     track ──▶ list ──▶ copy ──▶ index ──▶ flush … ──▶ cut over ──▶ COMPLETE
 *       └──────────── all the while, into the journal ────────────┘
 *
 * The steps run side by side and share the journal; each looks for work that is ready for it. To stop
 * it at any moment is safe: what was not acknowledged is done again from the journal.
 *
 * @throws {MigrationPausedError} when the server has paused it
 * @throws {MigrationEndedError} {@link LinkRefusedError} when the server ends it
 * @throws {MigrationFailedError} after the server was told that it cannot go on
 * @throws {JournalUnusableError} after it had to stop because its journal could not be written, once
 *   that is possible again: start it anew
 * @throws the signal's reason
 */
export async function runMigration(deps: RunnerDependencies, signal: AbortSignal): Promise<void> {
  const { pusher, log, journalPath } = deps;
  try {
    await runFromJournal(deps, signal);
  } catch (error) {
    deps.letGo?.();
    if (error instanceof MigrationFailedError) await pusher.fail(error.message, signal);
    const tell = (progress: Progress): Promise<void> => pusher.report(progress, signal);
    const room = { migrationId: deps.work.id, journalPath, log, report: tell };
    await waitForJournal(error, room, signal);
  } finally {
    await pusher.close();
  }
}

async function runFromJournal(deps: RunnerDependencies, signal: AbortSignal): Promise<void> {
  using journal = openJournal(deps.journalPath, deps.work.id);
  const { pusher, log } = deps;
  using sessions = new JournalOfSessions(journal, log);
  const scope = { journal, log, waiting: new Waiting() };
  await using resources = new AsyncDisposableStack();
  const idle = { ...scope, ...unansweredSource(journal) };
  const measureOpening = (): Progress => {
    const reason =
      pusher.waiting ??
      'the destination has not answered, or what an earlier session wrote there has not ended';
    scope.waiting.set(OPENING, `${OPENING}: ${reason}`);
    return measureIdle(idle);
  };
  const opened = await untilFirst<OpenedSession>(signal, (both) => [
    pusher.open(both, sessions),
    sleep(REPORT_MS, undefined, { signal: both }).then(() => reportTo(deps, measureOpening, both)),
  ]);
  scope.waiting.clear(OPENING);
  log.info({}, 'push session opened');
  const source = await untilFirst<SourceConnection>(signal, (both) => [
    begin({ ...scope, signal: both }, journal, deps.sourceUri).then((connected) =>
      resources.use(connected),
    ),
    reportTo(deps, () => measureIdle(idle), both),
  ]);
  beginWork(journal, opened);
  await untilFirst(signal, (both) => startSteps(deps, { ...scope, source, signal: both }));
}

function reportTo(
  deps: RunnerDependencies,
  measure: () => Progress,
  signal: AbortSignal,
): Promise<never> {
  return keepReporting(REPORT_MS, measure, (progress) => report(deps, progress, signal), signal);
}

function report(
  { pusher, interrupted }: RunnerDependencies,
  progress: Progress,
  signal: AbortSignal,
): Promise<void> {
  return pusher.report(afterInterruption(progress, interrupted?.() ?? null), signal);
}

function startSteps(
  deps: RunnerDependencies,
  scope: Pick<MigrationContext, 'journal' | 'source' | 'waiting' | 'log' | 'signal'>,
): Promise<void>[] {
  const { journal, signal } = scope;
  const options = { ...DEFAULT_OPTIONS, ...deps.options };
  const context: MigrationContext = {
    ...scope,
    id: deps.work.id,
    selection: new Selection(deps.work.namespaces ?? null),
    pusher: deps.pusher,
    options,
    hooks: deps.hooks ?? {},
    gate: new TrackedGate(journal.state()?.position ?? { time: 0n, through: false }),
    lives: new Lives(journal),
    locks: new IncarnationLocks(),
    inFlight: new ByteBudget(options.inFlightBytes),
    sizes: new Sizes(scope.source, journal, signal),
    throttle: new Throttle(deps.throttle()),
    work: new Notifier(),
    meter: new Meter(),
  };
  const tracker = new Tracker(context, () => {
    journal.saveToList(true);
    structure.relist();
  });
  const spreader = new Spreader(context);
  const structure = new Structure(context, (id) => spreader.takenBack(id));
  const flusher = new Flusher(context);
  const verifier = new Verifier(context, deps.verification);
  const steps = { tracker, flusher, verifier, structure };
  const cutover = new Cutover(
    context,
    steps,
    deps.writeBlock ?? null,
    deps.work.cutoverVerification === 'FULL',
  );
  const series = new SeriesPasses(context, () => cutover.phase !== null);
  const setThrottle = (): void => context.throttle.set(shareOf(deps.throttle(), spreader.copying));
  spreader.onCopying = setThrottle;
  signal.addEventListener(
    'abort',
    deps.onWork(() => {
      setThrottle();
      context.work.notify();
    }),
    { once: true },
  );

  // A cutover that a crash interrupted is not under way any more: back to what tailing needs.
  if (journal.state()?.stage !== 'tail') structure.enterStage('tail');
  if (journal.state()?.listedAt === null || journal.state()?.isToList === true) structure.relist();

  const measure = (): Progress => ({
    ...measureProgress(context, {
      cutover: cutover.phase,
      isListed: journal.state()?.listedAt !== null,
      isStructureSettled: structure.isSettled,
      refusals: [
        ...structure.refusals.values(),
        ...flusher.refusals.warnings(),
        ...(verifier.stuck === null ? [] : [`${verifier.stuck}.`]),
        ...series.warnings(),
        ...(deps.writeBlock?.warnings(cutover.phase !== null) ?? []),
      ],
      toRepair: verifier.toRepair,
    }),
    ...deps.writeBlock?.report(),
  });
  const send = (progress: Progress): Promise<void> => report(deps, progress, signal);
  const reports = new Reports(REPORT_MS, measure, send);
  if (deps.writeBlock) deps.writeBlock.onRecorded = (until) => reports.now(until);
  const lifting = deps.writeBlock ? new Lifting(context, deps.writeBlock) : null;
  return [
    ...(lifting === null ? [] : [lifting.run()]),
    tracker.run(),
    structure.run(),
    new Copier(context, spreader).run(),
    spreader.run(),
    flusher.run(),
    verifier.run(),
    series.run(),
    reports.run(signal),
    cutOverWhenAsked(context, deps, cutover, lifting),
  ];
}

/** Resolves once a cutover has succeeded and the server knows. */
async function cutOverWhenAsked(
  context: MigrationContext,
  { cutoverAttempt, writeBlock }: RunnerDependencies,
  cutover: Cutover,
  lifting: Lifting | null,
): Promise<void> {
  const { journal, work, signal, pusher, log, hooks } = context;
  for (;;) {
    const { version } = work;
    const attempt = cutoverAttempt();
    const isWanted = attempt > (journal.state()?.finishedCutover ?? 0);
    if (!isWanted || !isReadyToCutOver(journal)) {
      await work.wait(version, REPORT_MS, signal);
      continue;
    }
    await lifting?.hold();
    try {
      const verified = await cutover.run();
      writeBlock?.completing();
      await hooks.beforeCompleteIsTold?.();
      await pusher.complete(
        { cutoverAttempt: attempt, verified, verification: cutover.report },
        signal,
      );
      await hooks.afterCompleteIsTold?.();
      writeBlock?.keep();
      log.info({ attempt, ...verified }, 'cut over');
      return;
    } catch (error) {
      if (!(error instanceof CutoverFailedError)) throw error;
      log.warn({ attempt, reason: error.message }, 'the cutover failed');
      // The server may be away for long, and the source must not stay blocked meanwhile.
      lifting?.release();
      await pusher.cutoverFailed({ cutoverAttempt: attempt, reason: error.message }, signal);
      journal.saveFinishedCutover(attempt);
    }
  }
}

function isReadyToCutOver(journal: Journal): boolean {
  const { collections, collectionsCopied } = journal.totals();
  return journal.state()?.listedAt !== null && collectionsCopied === collections;
}
