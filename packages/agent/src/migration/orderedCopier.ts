import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import type { CopyState, Incarnation } from '../journal/incarnations.ts';
import { acceptedOf } from '../push/pusher.ts';
import { sizeOf } from '../source/cutBySize.ts';
import { capOf } from '../source/capped.ts';
import { listNamed } from '../source/listing.ts';
import { readInOrder } from '../source/reader.ts';
import { BatchSize } from './batchSize.ts';
import type { NumberPool } from './budget.ts';
import type { MigrationContext } from './context.ts';
import { markRefused } from './copyBatch.ts';
import { wantedOptions } from './indexes.ts';
import { recover } from './recover.ts';

/**
 * Step 2 for capped collections (rule D12): one reader in natural order and one lane, so that documents
 * arrive in their order. There is no place in natural order to go on from, so what broke off begins at
 * the first document again; documents that are there already are left where they are, and what follows
 * comes behind them. The destination evicts by itself what the source has evicted.
 *
 * @param lanes of which the copy has one to its end
 */
export async function copyInOrder(
  context: MigrationContext,
  lanes: NumberPool,
  id: number,
): Promise<void> {
  const { journal, signal, waiting } = context;
  const lane = await lanes.acquire(signal);
  try {
    for (;;) {
      signal.throwIfAborted();
      const incarnation = journal.incarnations.get(id);
      if (incarnation === undefined || !isToCopy(incarnation.state)) return;
      const what = `copying ${formatNamespace(incarnation.source)} in its order`;
      try {
        await copy(context, lane, incarnation);
        waiting.clear(what);
        return;
      } catch (error) {
        await recover(context, incarnation, what, error);
      }
    }
  } finally {
    lanes.release(lane);
  }
}

function isToCopy(state: CopyState): boolean {
  return state === 'PENDING' || state === 'COPYING';
}

/** Nothing where it was dropped or renamed meanwhile: it is looked at anew then. */
async function copy(
  context: MigrationContext,
  lane: number,
  incarnation: Incarnation,
): Promise<void> {
  const { journal, lives, log } = context;
  const { id, toRecopy, source } = incarnation;
  const names = lives.nameChanges(id);
  // Keys that were marked before are read as they are by now.
  const covered = journal.dirty.lastSequence();
  if (toRecopy) {
    if (!(await makeAgain(context, incarnation))) return;
    // Where no order is kept it is copied like any other: in ranges, which go on where they broke off.
    if (journal.incarnations.get(id)?.capped === null) return;
  }
  // Its name may have become another's while it was made.
  if (lives.nameChanges(id) !== names) return;
  if (!(await readAndPush(context, lane, incarnation)) || lives.nameChanges(id) !== names) return;
  finish(context, id, toRecopy ? covered : null);
  log.info({ namespace: formatNamespace(source) }, 'collection copied in its order');
}

/**
 * Drops it at the destination and makes it as it is at the source now: empty, so that all of it comes in
 * order. False if it was dropped or renamed meanwhile.
 */
async function makeAgain(
  { journal, lives, locks, gate, source, pusher, signal }: MigrationContext,
  { id, source: namespace, destination }: Incarnation,
): Promise<boolean> {
  if (destination === null) return false;
  const names = lives.nameChanges(id);
  return locks.exclusive(id, async () => {
    const { namespaces, to } = await listNamed(source, [namespace], gate.position.time);
    await gate.waitFor(to, signal);
    const isOther = lives.nameChanges(id) !== names || journal.structural.concerns(id);
    const [found] = namespaces;
    if (found === undefined || isOther) return false;
    await pusher.structure({ action: 'drop', ...destination, made: true }, signal);
    const buckets = found.buckets && { buckets: true };
    const make = {
      action: 'collection',
      ...destination,
      // What expires documents is inert until the end (rule D22).
      options: wantedOptions(found.options, 'tail'),
      ...buckets,
    } as const;
    await pusher.structure({ ...make, indexes: [] }, signal);
    journal.incarnations.update(id, { toRecopy: false, capped: capOf(found.options) });
    return true;
  });
}

/** False if it was dropped or renamed meanwhile, or is to be copied in another way. */
async function readAndPush(
  context: MigrationContext,
  lane: number,
  { id, source: namespace, destination }: Incarnation,
): Promise<boolean> {
  if (destination === null) return false;
  const { source, journal, lives, gate, signal, inFlight, hooks, meter, throttle, sizes } = context;
  const names = lives.nameChanges(id);
  journal.incarnations.update(id, { state: 'COPYING', documentsCopied: 0, bytesCopied: 0 });
  const size = new BatchSize(context);
  const isCurrent = (): boolean =>
    lives.nameChanges(id) === names && journal.incarnations.get(id)?.state === 'COPYING';
  let pushed: Promise<void> = Promise.resolve();
  try {
    const batches = readInOrder(source, namespace, gate.position.time, size.next);
    for await (const { documents, time } of meter.reading(batches)) {
      sizes.begin(false);
      size.learn(documents);
      await hooks.afterRead?.('copy', formatNamespace(namespace));
      await meter.waiting('source', () => gate.waitFor(time, signal));
      if (!isCurrent()) return false;
      for (const batch of throttle.cut(documents)) {
        const bytes = sizeOf(batch);
        // The one before is acknowledged first: it is read ahead by one, and never pushed ahead.
        await pushed;
        await meter.waiting('throttle', () => throttle.take(batch.length, bytes, signal));
        await meter.waiting('push', () => inFlight.acquire(bytes, signal));
        pushed = push(context, lane, id, batch);
        pushed.catch(() => undefined);
      }
    }
    await pushed;
    return isCurrent();
  } finally {
    await pushed.catch(() => undefined);
  }
}

async function push(
  context: MigrationContext,
  lane: number,
  id: number,
  documents: readonly Buffer[],
): Promise<void> {
  const { journal, locks, pusher, signal, inFlight, work, meter } = context;
  try {
    await locks.shared(id, async () => {
      const incarnation = journal.incarnations.get(id);
      if (incarnation?.state !== 'COPYING' || incarnation.destination === null) return;
      const batch = { op: 'insert', ...incarnation.destination, lane, documents } as const;
      const reply = await meter.pushing(documents, () => pusher.pushDocuments(batch, signal));
      const accepted = acceptedOf(documents, reply);
      journal.transaction(() => {
        markRefused(context, id, documents, reply);
        journal.incarnations.addCopied(id, accepted.length, sizeOf(accepted));
      });
    });
  } finally {
    inFlight.release(sizeOf(documents));
    work.notify();
  }
}

/** @param covered marks up to this one are part of what was copied into an empty collection, if not null */
function finish(
  { journal, lives, work }: MigrationContext,
  id: number,
  covered: number | null,
): void {
  journal.transaction(() => {
    const current = journal.incarnations.get(id);
    if (current === undefined || current.state !== 'COPYING') return;
    journal.incarnations.update(id, {
      state: 'COPIED',
      toReconcile: true,
      documentsTotal: current.documentsCopied,
      bytesTotal: current.bytesCopied,
    });
    if (covered !== null) journal.dirty.evictUpTo(id, covered);
  });
  lives.structureChanged(id);
  work.notify();
}
