import type { Phase, Progress } from '@linkspan/contract/push/messages.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { NO_TIME, secondsOf } from '../journal/clusterTime.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import type { MigrationContext } from './context.ts';
import type { CutoverPhase } from './cutover.ts';
import { TrackedGate } from './gate.ts';
import { Meter } from './meter.ts';
import { etaSeconds, holdingBack, ratesOf } from './pace.ts';

/** A cutover is offered while the destination is at most so far behind, in seconds. */
const READY_LAG_SECONDS = 10;

/** A report is sent every second. */
const LISTED_AT_MOST = 100;
const WARNINGS_AT_MOST = 100;

/** What progress is read from. */
export type ProgressContext = Pick<MigrationContext, 'journal' | 'gate' | 'waiting' | 'meter'> & {
  readonly source: Pick<MigrationContext['source'], 'nowSeconds'>;
  readonly pusher: Pick<MigrationContext['pusher'], 'waiting' | 'bytesSent'>;
  readonly sizes: Pick<MigrationContext['sizes'], 'isKnown'>;
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
  const live = journal.incarnations.live();
  const collections = live.filter(
    ({ type, unsupported }) => type === 'collection' && unsupported === null,
  );
  const isCopied = now.isListed && collections.every(({ state }) => state === 'COPIED');
  const lagSeconds = now.isListed ? measureLag(context, isCopied && now.toRepair === 0) : null;
  const phase = now.cutover ?? phaseOf(now.isListed, isCopied, now.isStructureSettled);
  const keysPending = journal.dirty.count();
  const documentsFlushed = journal.state()?.documentsFlushed ?? 0;
  const documentsCopied = sum(collections, (one) => one.documentsCopied);
  const bytesCopied = sum(collections, (one) => one.bytesCopied);
  const window = meter.sample({
    documentsCopied,
    bytesCopied,
    documentsFlushed,
    keysPending,
    bytesSent: pusher.bytesSent,
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
      live.every(({ unsupported }) => unsupported === null),
    documentsCopied,
    documentsTotal: sum(collections, total('documents')),
    bytesCopied,
    bytesTotal: sum(collections, total('bytes')),
    keysPending,
    documentsFlushed,
    waitingFor: reasons.length === 0 ? null : reasons.join('; ').slice(0, 500),
    warnings: warningsOf(live, now),
    rates: window === null ? null : ratesOf(window),
    etaSeconds:
      window === null ? null : etaSeconds(phase, window, bytesLeft(collections, context.sizes)),
    holdingBack: holdingBack(phase, reasons.length > 0, window),
    collectionsTotal: collections.length,
    collectionsCopied: collections.filter(({ state }) => state === 'COPIED').length,
    collections: collections
      .toSorted((a, b) => left(b) - left(a))
      .slice(0, LISTED_AT_MOST)
      .map((collection) => ({
        ...collection.source,
        state: collection.state === 'ENDED' ? 'COPIED' : collection.state,
        documentsCopied: collection.documentsCopied,
        documentsTotal: total('documents')(collection),
        bytesCopied: collection.bytesCopied,
        bytesTotal: total('bytes')(collection),
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
  const live = journal.incarnations.live();
  const nothingPushed = {
    meter: new Meter(),
    pusher: { waiting: null, bytesSent: 0 },
    sizes: { isKnown: () => false },
  };
  const progress = measureProgress(
    { ...context, ...nothingPushed },
    {
      cutover: null,
      isListed: (journal.state()?.listedAt ?? null) !== null,
      isStructureSettled:
        journal.structural.count() === 0 && live.every(({ toReconcile }) => !toReconcile),
      refusals: problems,
      toRepair: live.filter(({ toRepair }) => toRepair).length,
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
 * What stands for a source that does not answer yet: the journal's position, and a clock. The clock is
 * this machine's, or the last time that the source is known to have had with the seconds since this
 * was called, whichever is later: a lag must not look better than it is (invariant I8).
 */
export function unansweredSource(journal: Journal): Pick<ProgressContext, 'source' | 'gate'> {
  const gate = new TrackedGate(journal.state()?.position ?? { time: NO_TIME, through: false });
  const since = performance.now();
  return {
    gate,
    source: {
      nowSeconds: () =>
        Math.floor(
          Math.max(
            Date.now() / 1000,
            secondsOf(gate.position.time) + (performance.now() - since) / 1000,
          ),
        ),
    },
  };
}

/**
 * Seconds between the source's clock, which goes on while the source does not answer, and the time
 * up to which all its changes are at the destination. Until everything is copied that is the time at
 * which tracking began.
 */
function measureLag({ journal, source, gate }: ProgressContext, isCopied: boolean): number {
  const since = journal.state()?.trackingSince ?? gate.position.time;
  const behind = journal.dirty.behindSince();
  const tracked = gate.position.time;
  const durable = isCopied ? (behind !== null && behind < tracked ? behind : tracked) : since;
  return Math.max(0, source.nowSeconds() - secondsOf(durable));
}

function phaseOf(isListed: boolean, isCopied: boolean, isStructureSettled: boolean): Phase {
  if (!isListed) return 'STARTING';
  if (!isCopied) return 'COPYING';
  return isStructureSettled ? 'TAILING' : 'INDEXING';
}

function warningsOf(
  live: readonly Incarnation[],
  { refusals, toRepair }: { refusals: Iterable<string>; toRepair: number },
): string[] {
  const warnings = [...refusals];
  if (toRepair > 0) {
    warnings.push(
      `The source had lost the history after the last change that was read: ${toRepair} collections are being compared in full and repaired.`,
    );
  }
  for (const { source, unsupported } of live) {
    if (unsupported !== null) warnings.push(`${formatNamespace(source)}: ${unsupported}.`);
  }
  return warnings.slice(0, WARNINGS_AT_MOST).map((warning) => warning.slice(0, 500));
}

/** Totals are the server's estimates from the beginning; what was copied can be more. */
function total(what: 'documents' | 'bytes') {
  return (collection: Incarnation): number =>
    Math.max(collection[`${what}Total`], collection[`${what}Copied`]);
}

function left(collection: Incarnation): number {
  return collection.state === 'COPIED'
    ? 0
    : total('bytes')(collection) - collection.bytesCopied + 1;
}

/** null while a collection that is not copied was not measured, or has more than was measured. */
function bytesLeft(
  collections: readonly Incarnation[],
  sizes: ProgressContext['sizes'],
): number | null {
  const unfinished = collections.filter(({ state }) => state !== 'COPIED');
  const isTold = ({ id, bytesTotal, bytesCopied }: Incarnation): boolean =>
    sizes.isKnown(id) && bytesTotal >= bytesCopied;
  if (!unfinished.every(isTold)) return null;
  return sum(unfinished, ({ bytesTotal, bytesCopied }) => bytesTotal - bytesCopied);
}

function sum(collections: readonly Incarnation[], of: (one: Incarnation) => number): number {
  return collections.reduce((total_, one) => total_ + of(one), 0);
}
