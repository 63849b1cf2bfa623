import {
  type Namespace,
  formatNamespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import { type ClusterTime, NO_TIME } from '../journal/clusterTime.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import { type ListedNamespace, listOne, listSource } from '../source/listing.ts';
import { end } from './applyEvent.ts';
import { type MigrationContext, persist } from './context.ts';
import type { NameWatch } from './nameWatch.ts';

/**
 * Lists the source and makes the journal agree with it: what is new there is to be copied, what has
 * gone is to be dropped, everything is to be reconciled (rules D1, D5). What the listing shows of a
 * name counts once the stream has passed it without a drop, create or rename of that name meanwhile
 * (rule D7). Names that were touched are listed again by themselves, so that a source that makes and
 * drops collections all the time is listed like any other. Where history is lost meanwhile nothing
 * counts: the tracker has asked for the next listing.
 */
export async function listSourceInto(context: MigrationContext): Promise<void> {
  const { journal, lives, gate, source, signal, hooks, log } = context;
  let touched: Namespace[];
  {
    using watch = lives.watchNames();
    const { namespaces, from, to } = await persist(context, 'listing the source', () =>
      listSource(source, gate.position.time),
    );
    await hooks.afterSourceListing?.('all');
    await gate.waitFor(to, signal);
    if (watch.isVoid) return;
    const live = journal.incarnations.live().map((one) => one.source);
    const listed = namespaces.map(({ namespace }) => namespace);
    const seen = new Seen(namespaces, () => from);
    touched = merge(context, watch, [...live, ...listed, ...watch.names()], seen, () =>
      journal.saveListedAt(to),
    );
    log.info({ listed: listed.length, touchedMeanwhile: touched.length }, 'source listed');
  }
  await listNamesInto(context, touched);
}

/**
 * The same of some names by themselves, until what is seen of each is certain. One that is made while
 * it is listed is certain, too: the journal has it from its events since. So a name is listed again
 * only if it was dropped and no event told that it was made; that ends even where it never rests.
 */
export async function listNamesInto(
  context: MigrationContext,
  names: readonly Namespace[],
): Promise<void> {
  const { lives, gate, source, signal, hooks } = context;
  let remaining = names;
  while (remaining.length > 0) {
    using watch = lives.watchNames();
    const found: ListedNamespace[] = [];
    const times = new Map<string, ClusterTime>();
    let last: ClusterTime = NO_TIME;
    for (const name of remaining) {
      const listed = await persist(context, `listing ${formatNamespace(name)}`, () =>
        listOne(source, name, gate.position.time),
      );
      if (listed.found !== null) found.push(listed.found);
      times.set(namespaceKey(name), listed.from);
      if (listed.to > last) last = listed.to;
      await hooks.afterSourceListing?.(formatNamespace(name));
    }
    await gate.waitFor(last, signal);
    if (watch.isVoid) return;
    const seen = new Seen(found, (name) => times.get(namespaceKey(name)) ?? NO_TIME);
    remaining = merge(context, watch, remaining, seen);
  }
}

/** What a listing shows, and since when it shows it. */
class Seen {
  readonly #found: ReadonlyMap<string, ListedNamespace>;
  readonly since: (name: Namespace) => ClusterTime;

  constructor(found: readonly ListedNamespace[], since: (name: Namespace) => ClusterTime) {
    this.#found = new Map(found.map((listed) => [namespaceKey(listed.namespace), listed]));
    this.since = since;
  }

  get(name: Namespace): ListedNamespace | undefined {
    return this.#found.get(namespaceKey(name));
  }
}

/**
 * Nothing of it waits, so that no event comes between the look at the watch and the journal.
 * @returns the names of which neither the listing nor the events tell
 */
function merge(
  context: MigrationContext,
  watch: NameWatch,
  names: readonly Namespace[],
  seen: Seen,
  also?: () => void,
): Namespace[] {
  const { journal, lives, sizes, work } = context;
  const uncertain: Namespace[] = [];
  const added: Incarnation[] = [];
  const ended: number[] = [];
  const different = new Map(names.map((name) => [namespaceKey(name), name]));
  journal.transaction(() => {
    for (const name of different.values()) {
      if (watch.has(name)) {
        if (!watch.isToldSince(name, seen.since(name))) uncertain.push(name);
        continue;
      }
      const listed = seen.get(name);
      const known = journal.incarnations.byName(name);
      if (known !== undefined && listed !== undefined && isSame(known, listed)) {
        journal.incarnations.update(known.id, { toReconcile: true, uuid: listed.uuid });
        continue;
      }
      if (known !== undefined) {
        end(journal, known, null);
        ended.push(known.id);
      }
      if (listed !== undefined) added.push(add(journal, listed, seen.since(name)));
    }
    also?.();
  });
  for (const id of ended) lives.nameChanged(id);
  for (const incarnation of added) sizes.expect(incarnation);
  work.notify();
  return uncertain;
}

function add(
  journal: MigrationContext['journal'],
  { namespace, type, uuid, unsupported }: ListedNamespace,
  from: ClusterTime,
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
export function isSame(incarnation: Incarnation, listed: ListedNamespace): boolean {
  if (incarnation.type !== listed.type) return false;
  if (incarnation.uuid === null || listed.uuid === null) return true;
  return incarnation.uuid === listed.uuid;
}
