import { type Namespace, namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { type ListedNamespace, type Listing, listSource } from '../source/listing.ts';
import { measureCollection } from '../source/statistics.ts';
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
    const sizes = await measureNew(context, listing.namespaces);
    const touched = journal.transaction(() => merge(context, listing, sizes));
    for (const id of touched) lives.nameChanged(id);
    context.work.notify();
    return listing;
  }
}

function fingerprint({ lives }: MigrationContext) {
  return ({ id }: Incarnation): string => `${id}:${lives.nameChanges(id)}`;
}

type Sizes = ReadonlyMap<string, { documents: number; bytes: number }>;

async function measureNew(
  { journal, source }: MigrationContext,
  listed: readonly ListedNamespace[],
): Promise<Sizes> {
  const sizes = new Map<string, { documents: number; bytes: number }>();
  for (const { namespace, type } of listed) {
    if (type === 'view' || journal.incarnations.byName(namespace) !== undefined) continue;
    sizes.set(namespaceKey(namespace), await measureCollection(source, namespace));
  }
  return sizes;
}

/** Returns the ids of incarnations that ended. */
function merge({ journal }: MigrationContext, listing: Listing, sizes: Sizes): number[] {
  const ended: number[] = [];
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
      add(journal, listed, listing, sizeOf(sizes, listed.namespace));
    } else {
      journal.incarnations.update(known.id, { toReconcile: true, uuid: listed.uuid });
    }
  }
  journal.saveListedAt(listing.to);
  return ended;
}

function add(
  journal: MigrationContext['journal'],
  listed: ListedNamespace,
  listing: Listing,
  size: { documents: number; bytes: number },
): void {
  const { id } = journal.incarnations.add({
    source: listed.namespace,
    type: listed.type,
    uuid: listed.uuid,
    knownSince: listing.from,
    state: listed.type === 'view' ? 'COPIED' : 'PENDING',
  });
  journal.incarnations.update(id, {
    documentsTotal: size.documents,
    bytesTotal: size.bytes,
    unsupported: listed.unsupported,
  });
}

function sizeOf(sizes: Sizes, namespace: Namespace): { documents: number; bytes: number } {
  return sizes.get(namespaceKey(namespace)) ?? { documents: 0, bytes: 0 };
}

/** One name, one type, and no proof that it was dropped and made again unseen. */
function isSame(incarnation: Incarnation, listed: ListedNamespace): boolean {
  if (incarnation.type !== listed.type) return false;
  if (incarnation.uuid === null || listed.uuid === null) return true;
  return incarnation.uuid === listed.uuid;
}
