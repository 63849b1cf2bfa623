import { namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { type ListedNamespace, type Listing, listSource } from '../source/listing.ts';
import { end } from './applyEvent.ts';
import { type MigrationContext, persist } from './context.ts';

/**
 * Lists the source and makes the journal agree with it: what is new there is to be copied, what has
 * gone is to be dropped, everything is to be reconciled (rules D1, D5). A listing counts once the
 * stream has passed it without a drop, create or rename meanwhile (rule D7); else it is made again.
 */
export async function listSourceInto(context: MigrationContext): Promise<Listing> {
  const { journal, lives, gate, source, signal } = context;
  for (;;) {
    const before = journal.incarnations.live().map(fingerprint(context)).join();
    const listing = await persist(context, 'listing the source', () =>
      listSource(source, gate.position.time),
    );
    await gate.waitFor(listing.to, signal);
    if (journal.incarnations.live().map(fingerprint(context)).join() !== before) continue;
    const { added, ended } = journal.transaction(() => merge(context, listing));
    for (const id of ended) lives.nameChanged(id);
    for (const incarnation of added) context.sizes.expect(incarnation);
    const { length: listed } = listing.namespaces;
    context.log.info({ listed, added: added.length, ended: ended.length }, 'source listed');
    context.work.notify();
    return listing;
  }
}

function fingerprint({ lives }: MigrationContext) {
  return ({ id }: Incarnation): string => `${id}:${lives.nameChanges(id)}`;
}

function merge(
  { journal }: MigrationContext,
  listing: Listing,
): { added: Incarnation[]; ended: number[] } {
  const ended: number[] = [];
  const added: Incarnation[] = [];
  const found = new Map(
    listing.namespaces.map((listed) => [namespaceKey(listed.namespace), listed]),
  );
  for (const incarnation of journal.incarnations.live()) {
    const listed = found.get(namespaceKey(incarnation.source));
    if (listed !== undefined && isSame(incarnation, listed)) continue;
    end(journal, incarnation, null);
    ended.push(incarnation.id);
  }
  for (const listed of listing.namespaces) {
    const known = journal.incarnations.byName(listed.namespace);
    if (known === undefined) {
      added.push(add(journal, listed, listing));
    } else {
      journal.incarnations.update(known.id, { toReconcile: true, uuid: listed.uuid });
    }
  }
  journal.saveListedAt(listing.to);
  return { added, ended };
}

function add(
  journal: MigrationContext['journal'],
  { namespace, type, uuid, unsupported }: ListedNamespace,
  { from }: Listing,
): Incarnation {
  const incarnation = journal.incarnations.add({
    source: namespace,
    type,
    uuid,
    knownSince: from,
    state: type === 'view' ? 'COPIED' : 'PENDING',
  });
  journal.incarnations.update(incarnation.id, { unsupported });
  return incarnation;
}

/** One name, one type, and no proof that it was dropped and made again unseen. */
function isSame(incarnation: Incarnation, listed: ListedNamespace): boolean {
  if (incarnation.type !== listed.type) return false;
  if (incarnation.uuid === null || listed.uuid === null) return true;
  return incarnation.uuid === listed.uuid;
}
