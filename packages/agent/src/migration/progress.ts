import type { Phase, Progress } from '@linkspan/contract/push/progress.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, NO_TIME, secondsOf } from '../journal/clusterTime.ts';
import type { Journal } from '../journal/journal.ts';
import type { MigrationContext } from './context.ts';
import type { CutoverPhase } from './cutover.ts';
import { TrackedGate } from './gate.ts';
import { Meter } from './meter.ts';
import { reportVerification } from './verificationReport.ts';
import { etaSeconds, holdingBack, ratesOf } from './pace.ts';

/** A cutover is offered while the destination is at most so far behind, in seconds. */
const READY_LAG_SECONDS = 10;

const WARNINGS_AT_MOST = 100;

const MOST_OF_A_REASON = 500;

/** What progress is read from. */
export type ProgressContext = Pick<MigrationContext, 'journal' | 'gate' | 'waiting' | 'meter'> & {
  readonly source: { nowSeconds(): number | null };
  readonly pusher: Pick<MigrationContext['pusher'], 'waiting' | 'bytesSent'>;
};

/**
 * What a migration's status is made of. Everything in it is from the journal (invariant I8), but for
 * the rates, which are of what was acknowledged since the engine started.
 */
export function measureProgress(
  context: ProgressContext,
  now: {
    readonly cutover: CutoverPhase | null;
    readonly isListed: boolean;
    readonly isStructureSettled: boolean;
    readonly refusals: Iterable<string>;
    readonly toRepair: number;
  },
): Progress {
  const { journal, waiting, pusher, meter } = context;
  const { mostLeft, bytesLeft, collectionsCopied, ...totals } = journal.totals();
  const { documentsCopied, bytesCopied } = totals;
  const isCopied = now.isListed && collectionsCopied === totals.collections;
  const lagSeconds = now.isListed ? measureLag(context, isCopied && now.toRepair === 0) : null;
  const phase = now.cutover ?? phaseOf(now.isListed, isCopied, now.isStructureSettled);
  const keysPending = journal.dirty.count();
  const documentsFlushed = journal.state()?.documentsFlushed ?? 0;
  const window = meter.sample({
    documentsCopied,
    bytesCopied,
    documentsFlushed,
    keysPending,
    bytesSent: pusher.bytesSent + meter.bytesSentElsewhere,
  });
  const reasons = [waiting.describe(), pusher.waiting].filter((reason) => reason !== null);
  return {
    phase,
    lagSeconds,
    readyForCutover:
      phase === 'TAILING' &&
      now.toRepair === 0 &&
      lagSeconds !== null &&
      lagSeconds <= READY_LAG_SECONDS &&
      journal.pending.unsupported(1).length === 0,
    documentsCopied,
    documentsTotal: totals.documentsTotal,
    bytesCopied,
    bytesTotal: totals.bytesTotal,
    keysPending,
    documentsFlushed,
    waitingFor: inWords(reasons),
    warnings: warningsOf(journal, now),
    rates: window === null ? null : ratesOf(window),
    etaSeconds:
      window === null || reasons.length > 0 || now.toRepair > 0
        ? null
        : etaSeconds(phase, window, bytesLeft),
    holdingBack: holdingBack(phase, reasons.length > 0, window),
    verification: reportVerification(journal),
    collectionsTotal: totals.collections,
    collectionsCopied,
    collections: mostLeft.map((collection) => ({
      ...collection.source,
      state: collection.state === 'ENDED' ? 'COPIED' : collection.state,
      documentsCopied: collection.documentsCopied,
      // Totals are the source's estimates from the beginning; what was copied can be more.
      documentsTotal: Math.max(collection.documentsTotal, collection.documentsCopied),
      bytesCopied: collection.bytesCopied,
      bytesTotal: Math.max(collection.bytesTotal, collection.bytesCopied),
    })),
  };
}

/**
 * The status of a migration that pushes nothing now: it is paused, or its source does not answer yet.
 * @param problems what needs care, for its warnings
 */
export function measureIdle(
  context: Pick<ProgressContext, 'journal' | 'source' | 'gate' | 'waiting'>,
  problems: readonly string[] = [],
): Progress {
  const { journal } = context;
  const nothingPushed = { meter: new Meter(), pusher: { waiting: null, bytesSent: 0 } };
  const progress = measureProgress(
    { ...context, ...nothingPushed },
    {
      cutover: null,
      isListed: (journal.state()?.listedAt ?? null) !== null,
      isStructureSettled: journal.structural.count() === 0 && !journal.pending.hasToReconcile(),
      refusals: problems,
      toRepair: journal.pending.countToRepair(),
    },
  );
  return {
    ...progress,
    readyForCutover: false,
    rates: null,
    etaSeconds: null,
    holdingBack: progress.waitingFor === null ? null : 'WAITING',
  };
}

/**
 * The same with why the run before was interrupted, as the first of what is waited for. What holds back and
 * when it ends stay as they are measured: the steps do not wait for that.
 * @param interrupted null changes nothing
 */
export function afterInterruption(progress: Progress, interrupted: string | null): Progress {
  if (interrupted === null) return progress;
  const { waitingFor } = progress;
  return {
    ...progress,
    waitingFor: inWords(waitingFor === null ? [interrupted] : [interrupted, waitingFor]),
  };
}

/** All that is waited for, as the status has it; null: nothing. */
function inWords(reasons: readonly string[]): string | null {
  return reasons.length === 0 ? null : reasons.join('; ').slice(0, MOST_OF_A_REASON);
}

/**
 * What stands for a source that does not answer yet: the journal's position, and this machine's clock
 * as it was when this was called, with the seconds since. A clock that is behind the journal is wrong,
 * and tells nothing of the lag: it must not look better than it is (invariant I8).
 */
export function unansweredSource(journal: Journal): Pick<ProgressContext, 'source' | 'gate'> {
  const gate = new TrackedGate(journal.state()?.position ?? { time: NO_TIME, through: false });
  const began = Date.now() / 1000;
  const since = performance.now();
  return {
    gate,
    source: {
      nowSeconds: () =>
        began < secondsOf(gate.position.time)
          ? null
          : Math.floor(began + (performance.now() - since) / 1000),
    },
  };
}

/**
 * Seconds between the source's clock, which goes on while the source does not answer, and the time
 * up to which all its changes are at the destination. Until everything is copied that is the time at
 * which tracking began. null where its clock is not known.
 */
function measureLag({ journal, source, gate }: ProgressContext, isCopied: boolean): number | null {
  const since = journal.state()?.trackingSince ?? gate.position.time;
  const now = source.nowSeconds();
  if (now === null) return null;
  const tracked = gate.position.time;
  const behind = [journal.dirty.behindSince(), journal.structural.behindSince()];
  const durable = isCopied ? earliest(tracked, behind) : since;
  return Math.max(0, now - secondsOf(durable));
}

function earliest(time: ClusterTime, others: readonly (ClusterTime | null)[]): ClusterTime {
  return others.reduce<ClusterTime>(
    (first, other) => (other !== null && other < first ? other : first),
    time,
  );
}

function phaseOf(isListed: boolean, isCopied: boolean, isStructureSettled: boolean): Phase {
  if (!isListed) return 'STARTING';
  if (!isCopied) return 'COPYING';
  return isStructureSettled ? 'TAILING' : 'INDEXING';
}

/** Also where the destination refused changes of capped collections (rule D12). */
const WHY_REPAIRED = {
  REQUESTED: 'As it was asked for',
  HISTORY_LOST: 'The source had lost the history after the last change that was read',
  HOST_REPLACED: 'Another migration host had begun this',
  REFUSED: 'The destination had refused changes of capped collections',
} as const;

function warningsOf(
  journal: Journal,
  { refusals, toRepair }: { refusals: Iterable<string>; toRepair: number },
): string[] {
  const warnings = [...refusals];
  if (toRepair > 0) {
    const { repair } = journal.verifications.run();
    warnings.push(
      `${WHY_REPAIRED[repair ?? 'REFUSED']}: ${toRepair} collections are being compared in full and repaired.`,
    );
  }
  for (const { source, unsupported } of journal.pending.unsupported(WARNINGS_AT_MOST)) {
    warnings.push(`${formatNamespace(source)}: ${unsupported}.`);
  }
  return warnings.slice(0, WARNINGS_AT_MOST).map((warning) => warning.slice(0, 500));
}
