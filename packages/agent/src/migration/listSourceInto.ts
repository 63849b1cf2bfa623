import {
  type Namespace,
  formatNamespace,
  namespaceKey,
} from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import { capOf } from '../source/capped.ts';
import { type ListedNamespace, listNamed, listSource } from '../source/listing.ts';
import { end } from './applyEvent.ts';
import { type MigrationContext, persist } from './context.ts';
import type { NameWatch } from './nameWatch.ts';

/** Is told of a collection that a listing has found or missed, in words. */
export type Noted = (change: string) => void;

/** Names listed by themselves at once. */
const NAMES_AT_ONCE = 500;

/**
 * Lists the source and makes the journal agree with it: what is new there is to be copied, what has
 * gone is to be dropped, everything is to be reconciled (rules D1, D5). What the listing shows of a
 * name counts once the stream has passed it without a drop, create or rename of that name meanwhile
 * (rule D7). Names that were touched are listed again by themselves, so that a source that makes and
 * drops collections all the time is listed like any other; until that is done the source does not count
 * as listed, so that a start after a crash lists it anew. Where history is lost meanwhile nothing counts:
 * the tracker has asked for the next listing.
 *
 * @param noted called with each collection that it has found or missed, in words
 */
export async function listSourceInto(context: MigrationContext, noted: Noted): Promise<void> {
  const { journal, lives, gate, source, selection, signal, hooks, log } = context;
  using watch = lives.watchNames();
  const { namespaces, from, to } = await persist(context, 'listing the source', () =>
    listSource(source, gate.position.time, 'names', selection),
  );
  await hooks.afterSourceListing?.('all');
  await gate.waitFor(to, signal);
  if (watch.isVoid) return;
  const live = Array.from(journal.incarnations.live(), (one) => one.source);
  const listed = namespaces.map(({ namespace }) => namespace);
  const seen = new Seen(namespaces, from);
  const touchedMeanwhile = watch.names().filter((name) => selection.selects(name));
  const names = [...live, ...listed, ...touchedMeanwhile];
  const touched = merge(context, watch, names, seen, noted, (uncertain) =>
    journal.saveListedAt(uncertain === 0 ? to : null),
  );
  log.info({ listed: listed.length, touchedMeanwhile: touched.length }, 'source listed');
  if (touched.length === 0) return;
  await listNamesInto(context, touched, noted);
  if (!watch.isVoid) journal.saveListedAt(to);
}

/**
 * The same of some names by themselves, until what is seen of each is certain. One that is made while
 * it is listed is certain, too: the journal has it from its events since. So a name is listed again
 * only if it was dropped and no event told that it was made; that ends even where it never rests.
 */
async function listNamesInto(
  context: MigrationContext,
  names: readonly Namespace[],
  noted: Noted,
): Promise<void> {
  const { lives, gate, source, signal, hooks } = context;
  let remaining = names;
  while (remaining.length > 0) {
    using watch = lives.watchNames();
    const asked = remaining.slice(0, NAMES_AT_ONCE);
    const { namespaces, from, to } = await persist(context, `listing ${describe(asked)}`, () =>
      listNamed(source, asked, gate.position.time),
    );
    for (const name of asked) await hooks.afterSourceListing?.(formatNamespace(name));
    await gate.waitFor(to, signal);
    if (watch.isVoid) return;
    const uncertain = merge(context, watch, asked, new Seen(namespaces, from), noted);
    remaining = [...remaining.slice(asked.length), ...uncertain];
  }
}

/** For messages: the one name, or how many there are. */
export function describe(names: readonly Namespace[]): string {
  const [first] = names;
  return names.length === 1 && first !== undefined
    ? formatNamespace(first)
    : `${names.length} collections`;
}

/** What a listing shows, and since when it shows it. */
class Seen {
  readonly #found: ReadonlyMap<string, ListedNamespace>;
  readonly since: ClusterTime;

  constructor(found: readonly ListedNamespace[], since: ClusterTime) {
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
  noted: Noted,
  also?: (uncertain: number) => void,
): Namespace[] {
  const { journal, lives, sizes, work } = context;
  const uncertain: Namespace[] = [];
  const ended: number[] = [];
  const different = new Map(names.map((name) => [namespaceKey(name), name]));
  journal.transaction(() => {
    for (const name of different.values()) {
      if (watch.has(name)) {
        if (!watch.isToldSince(name, seen.since)) uncertain.push(name);
        continue;
      }
      const listed = seen.get(name);
      const known = journal.incarnations.byName(name);
      if (known !== undefined && listed !== undefined && isSame(known, listed)) {
        journal.incarnations.update(known.id, { toReconcile: true, uuid: listed.uuid });
        continue;
      }
      if (known !== undefined) {
        endUnseen(journal, known, noted);
        ended.push(known.id);
      }
      if (listed !== undefined) addFound(journal, listed, seen.since, noted);
    }
    also?.(uncertain.length);
  });
  for (const id of ended) lives.nameChanged(id);
  sizes.expectMore();
  work.notify();
  return uncertain;
}

/** Ends one that a listing does not show, or shows to be another, and that no event has ended. */
export function endUnseen(journal: Journal, known: Incarnation, noted: Noted): void {
  end(journal, known, null);
  noted(`${formatNamespace(known.source)}: not at the source any more as it was known`);
}

/** Adds what a listing has found and no event has told of. All of it is to be copied. */
export function addFound(
  journal: Journal,
  { namespace, type, uuid, options, buckets, unsupported }: ListedNamespace,
  from: ClusterTime,
  noted: Noted,
): void {
  const incarnation = journal.incarnations.add({
    source: namespace,
    type,
    uuid,
    knownSince: from,
    state: type === 'view' ? 'COPIED' : 'PENDING',
  });
  journal.incarnations.update(incarnation.id, { unsupported, capped: capOf(options), buckets });
  noted(`${formatNamespace(namespace)}: found at the source`);
}

/** One name, one type, and no proof that it was dropped and made again unseen. */
export function isSame(incarnation: Incarnation, listed: ListedNamespace): boolean {
  if (incarnation.type !== listed.type) return false;
  if (incarnation.uuid === null || listed.uuid === null) return true;
  return incarnation.uuid === listed.uuid;
}
