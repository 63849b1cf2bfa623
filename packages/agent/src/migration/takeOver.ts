import { formatNamespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { DestinationListing } from '@linkspan/contract/push/structure.ts';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import type { OpenedSession } from '../push/pusher.ts';
import { capOf } from '../source/capped.ts';
import { countDocuments } from '../source/statistics.ts';
import type { MigrationContext } from './context.ts';

type AtDestination = DestinationListing['namespaces'][number];

/**
 * Of one that lacks at least this part of its documents, all are copied first: a copy costs a fraction of
 * what the repair of a document by its key costs.
 */
const FAR_FROM_COMPLETE = 1 / 4;
const ASKED_AT_ONCE = 8;

/** Ties a journal that had no session yet to the work that it goes on with. */
export function beginWork(journal: Journal, { epoch, hostChanges }: OpenedSession): void {
  if (journal.state()?.hostChanges !== null) return;
  // An earlier session may have made and filled collections that this journal has never heard of.
  journal.saveWork(hostChanges, epoch > 1);
}

/**
 * Takes over what an earlier migration host, or one with a newer journal, has made at the destination: a collection of which the source
 * still has one is repaired, which pushes what differs and nothing else (rule D11); all else that it made
 * is dropped. One that is far from complete is copied before that, as inserts that leave alone what is there:
 * it is the migration's own, whatever it holds is compared by the repair that follows, and what is deleted
 * at the source meanwhile is followed as in any copy. Runs before anything was reconciled, so nothing that is known of the
 * source has a place at the destination yet, and drops and renames that come meanwhile do nothing there.
 */
export async function takeOver(context: MigrationContext): Promise<void> {
  const { journal, pusher, signal, log, lives, work } = context;
  let { namespaces: left } = await pusher.listing(signal, { namesOnly: false, counted: true });
  const toCopy = await farFromComplete(context, left);
  const taken: Incarnation[] = [];
  while (journal.state()?.isTakingOver === true) {
    const known = counterparts(context);
    const stays = left.filter((one) => find(known, one) !== undefined);
    for (const one of left) {
      if (find(known, one) !== undefined) continue;
      await pusher.structure({ action: 'drop', db: one.db, coll: one.coll }, signal);
      log.info({ namespace: formatNamespace(one) }, 'dropped what an earlier host had made');
    }
    left = stays;
    // The source goes on meanwhile: what has no counterpart any more is dropped in the next round.
    journal.transaction(() => {
      const now = counterparts(context);
      const matches = left.map((one) => ({ one, incarnation: find(now, one) }));
      if (matches.some(({ incarnation }) => incarnation === undefined)) return;
      for (const { one, incarnation } of matches) {
        if (incarnation === undefined) continue;
        adopt(journal, incarnation, one, toCopy.has(namespaceKey(one)));
        taken.push(incarnation);
      }
      if (taken.length > 0) journal.verifications.again('HOST_REPLACED');
      journal.endTakingOver();
    });
  }
  for (const { id } of taken) lives.nameChanged(id);
  log.info(
    { toRepair: taken.length, toCopy: toCopy.size },
    'the work of an earlier host is taken over',
  );
  work.notify();
}

/** What the source has that has no place at the destination yet, by the name that it is to have there. */
function counterparts({ journal, selection }: MigrationContext): ReadonlyMap<string, Incarnation> {
  const found = new Map<string, Incarnation>();
  for (const incarnation of journal.incarnations.live()) {
    const { source, type, state, destination, unsupported } = incarnation;
    // One that was made while this host followed the source is another than that at the destination.
    const isOlder = type === 'view' || state === 'PENDING';
    if (!isOlder || destination !== null || unsupported !== null) continue;
    found.set(namespaceKey(selection.destinationOf(source)), incarnation);
  }
  return found;
}

function find(
  known: ReadonlyMap<string, Incarnation>,
  there: AtDestination,
): Incarnation | undefined {
  const incarnation = known.get(namespaceKey(there));
  return incarnation?.type === there.type ? incarnation : undefined;
}

/** By the bookkeeping of both sides: where it is wrong, only time is lost. */
async function farFromComplete(
  context: MigrationContext,
  left: readonly AtDestination[],
): Promise<ReadonlySet<string>> {
  const known = counterparts(context);
  const far = new Set<string>();
  await concurrently(left, ASKED_AT_ONCE, async (one) => {
    const incarnation = find(known, one);
    if (incarnation === undefined || one.type === 'view' || one.documents === undefined) return;
    // The order of a capped collection is made anew by its repair; buckets are never copied beside others.
    if (capOf(one.options) !== null || one.buckets === true) return;
    const there = one.documents;
    const here = await countDocuments(context.source, incarnation.source).catch(() => 0);
    if (here - there > here * FAR_FROM_COMPLETE) far.add(namespaceKey(one));
  });
  return far;
}

function adopt(
  journal: Journal,
  { id, type }: Incarnation,
  there: AtDestination,
  isToCopy: boolean,
): void {
  const destination = { db: there.db, coll: there.coll };
  if (type === 'view') {
    journal.incarnations.update(id, { destination });
    return;
  }
  const [collated, capped] = [there.options['collation'] !== undefined, capOf(there.options)];
  journal.incarnations.update(id, {
    destination,
    state: isToCopy ? 'PENDING' : 'COPIED',
    toRepair: true,
    toReconcile: true,
    collated,
    capped,
    buckets: there.buckets === true,
    // Until its indexes are known, those at the destination may delete by themselves (rule D22).
    expires: true,
  });
  if (collated || capped !== null) journal.dirty.shareLane(id);
}
