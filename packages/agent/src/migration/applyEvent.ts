import { whyNotNamespace } from '@linkspan/contract/namespaces/destinationNames.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import type { Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import type { Incarnation } from '../journal/incarnations.ts';
import type { Journal } from '../journal/journal.ts';
import { type ChangeEvent, DOCUMENT_EVENTS, IGNORED_EVENTS } from '../source/events.ts';
import type { Touch } from './nameWatch.ts';

/** What the tracker has to tell the other steps about an event. */
export interface Applied {
  /** Incarnations that were ended, moved or replaced. */
  readonly renamed: readonly number[];
  /** Incarnations whose options or indexes may have changed. */
  readonly restructured: readonly number[];
  /** Names that may stand for something else since; also of collections that are not known. */
  readonly touched: readonly Touch[];
  /** The source has to be listed again. */
  readonly relist: boolean;
}

const NOTHING: Applied = { renamed: [], restructured: [], touched: [], relist: false };

/**
 * Writes what an event means into the journal (rules D2 to D4, D18). Called inside the transaction
 * that also saves the batch's token, so that an event is applied once.
 *
 * @param listedAt end of the last full listing, or null: collections that an event names first and
 *   that are not known may be older than tracking up to that time, and must then be copied
 * @param selection what is not selected is not known, as if it were not there
 */
export function applyEvent(
  journal: Journal,
  event: ChangeEvent,
  listedAt: ClusterTime | null,
  selection: Selection = Selection.everything,
): Applied {
  if (DOCUMENT_EVENTS.has(event.type)) {
    return applyDocumentEvent(journal, event, listedAt, selection);
  }
  if (IGNORED_EVENTS.has(event.type)) return NOTHING;
  const gone: Touch = { name: event.namespace, madeAt: null };
  const made: Touch = { name: event.to ?? event.namespace, madeAt: event.time };
  switch (event.type) {
    case 'create':
      return { ...applyCreate(journal, event, selection), touched: [made] };
    case 'drop':
      return { ...applyDrop(journal, event), touched: [gone] };
    case 'rename':
      return {
        ...applyRename(journal, event, selection),
        touched: event.to === null ? [gone] : [gone, made],
      };
    case 'dropDatabase':
      return { ...applyDropDatabase(journal, event), touched: [gone] };
    case 'createIndexes':
    case 'dropIndexes':
    case 'modify':
      return applyRestructure(journal, event, selection);
    default:
      return { ...NOTHING, relist: mayConcern(event, selection) };
  }
}

/** Whether an event that is not known may be about something that is moved. */
function mayConcern({ namespace, to }: ChangeEvent, selection: Selection): boolean {
  return [namespace, to ?? namespace].some(({ db, coll }) => {
    if (db === '') return true;
    return coll === '' ? selection.maySelectIn(db) : selection.selects({ db, coll });
  });
}

function applyDocumentEvent(
  journal: Journal,
  event: ChangeEvent,
  listedAt: ClusterTime | null,
  selection: Selection,
): Applied {
  if (!selection.selects(event.namespace) || event.documentKey === null) return NOTHING;
  const known = findFor(journal, event);
  const incarnation = known ?? addUnknown(journal, event, listedAt);
  const isOther =
    event.uuid !== null && incarnation.uuid !== null && event.uuid !== incarnation.uuid;
  journal.dirty.mark({
    incarnation: incarnation.id,
    collated: incarnation.collated,
    documentKey: event.documentKey,
    // A delete in another life of the name says nothing about this one: read the key back.
    operation: event.type === 'delete' && !isOther ? 'delete' : 'write',
    inserted: event.type === 'insert',
    time: event.time,
  });
  if (known !== undefined) return NOTHING;
  return { ...NOTHING, touched: [{ name: event.namespace, madeAt: event.time }] };
}

/** The incarnation an event speaks of: by its name, else by its UUID (a later listing renamed it). */
function findFor(journal: Journal, event: ChangeEvent): Incarnation | undefined {
  return (
    journal.incarnations.byName(event.namespace) ??
    (event.uuid === null ? undefined : journal.incarnations.byUuid(event.uuid))
  );
}

/** Sources before 6.0 send no create events; and an event may be older than the listing. */
function addUnknown(
  journal: Journal,
  event: ChangeEvent,
  listedAt: ClusterTime | null,
): Incarnation {
  const mayBeOlder = listedAt === null || event.time <= listedAt;
  return journal.incarnations.add({
    source: event.namespace,
    type: 'collection',
    uuid: event.uuid,
    knownSince: event.time,
    state: mayBeOlder ? 'PENDING' : 'COPIED',
  });
}

function applyCreate(journal: Journal, event: ChangeEvent, selection: Selection): Applied {
  if (!selection.selects(event.namespace)) return NOTHING;
  const current = journal.incarnations.byName(event.namespace);
  if (current !== undefined) {
    if (event.time <= current.knownSince) return NOTHING;
    if (event.uuid !== null && event.uuid === current.uuid) return NOTHING;
    end(journal, current, event.token);
  }
  // All its documents come after this event, so that events name every one of them.
  const added = journal.incarnations.add({
    source: event.namespace,
    type: event.createdType,
    uuid: event.createdType === 'view' ? null : event.uuid,
    knownSince: event.time,
    state: 'COPIED',
  });
  journal.incarnations.update(added.id, { capped: event.createdCap });
  return {
    ...NOTHING,
    renamed: current === undefined ? [] : [current.id],
    restructured: [added.id],
  };
}

function applyDrop(journal: Journal, event: ChangeEvent): Applied {
  const current = journal.incarnations.byName(event.namespace);
  if (current === undefined || !isMeant(current, event)) return NOTHING;
  end(journal, current, event.token);
  return { ...NOTHING, renamed: [current.id] };
}

function applyRename(journal: Journal, event: ChangeEvent, selection: Selection): Applied {
  if (event.to === null) return { ...NOTHING, relist: true };
  const moved = journal.incarnations.byName(event.namespace);
  const target = journal.incarnations.byName(event.to);
  const isReflected =
    target !== undefined &&
    (event.time <= target.knownSince || (event.uuid !== null && event.uuid === target.uuid));
  const isMoved = moved !== undefined && isMeant(moved, event);
  if (isReflected) {
    // A listing knows the collection by its new name already, and its copy reads later than this.
    if (!isMoved) return NOTHING;
    end(journal, moved, event.token);
    return { ...NOTHING, renamed: [moved.id] };
  }
  const touched: number[] = [];
  if (target !== undefined) {
    end(journal, target, null);
    touched.push(target.id);
  }
  if (!selection.selects(event.to)) {
    if (isMoved) {
      end(journal, moved, event.token);
      touched.push(moved.id);
    }
    return { ...NOTHING, renamed: touched };
  }
  const to = selection.destinationOf(event.to);
  if (isMoved && !mayBeCalled(journal, selection, moved, to)) {
    // Never over another collection: it ends there, and begins anew under a name that says why not.
    end(journal, moved, event.token);
    touched.push(moved.id);
    addRenamedIn(journal, event, event.to);
  } else if (isMoved) {
    journal.incarnations.update(moved.id, {
      source: event.to,
      // Some servers give a renamed collection another UUID; the next listing tells.
      uuid: null,
      knownSince: event.time,
      toReconcile: true,
    });
    journal.structural.add({ incarnation: moved.id, kind: 'rename', to }, event.token);
    touched.push(moved.id);
  } else {
    addRenamedIn(journal, event, event.to);
  }
  return { ...NOTHING, renamed: touched };
}

/**
 * Each collection has its own drop before; what had none, as views have not, is looked for. No new
 * listing, for a source that drops databases all the time would ask for it all the time.
 */
function applyDropDatabase(journal: Journal, { namespace }: ChangeEvent): Applied {
  const left = journal.incarnations.liveIn(namespace.db);
  for (const { id } of left) journal.incarnations.update(id, { toReconcile: true });
  return { ...NOTHING, restructured: left.map(({ id }) => id) };
}

/** D18: what comes from a name that is not tracked has to be copied. */
function addRenamedIn(journal: Journal, event: ChangeEvent, name: Namespace): void {
  journal.incarnations.add({
    source: name,
    type: 'collection',
    // As for one that is moved: another one on some servers.
    uuid: null,
    knownSince: event.time,
    state: 'PENDING',
  });
}

/** Whether a collection may get that name at the destination, as far as names of others are known. */
function mayBeCalled(
  journal: Journal,
  selection: Selection,
  { id }: Incarnation,
  destination: Namespace,
): boolean {
  if (!selection.renames) return true;
  return (
    whyNotNamespace(destination) === null &&
    selection.sourcesOf(destination).every((source) => {
      const other = journal.incarnations.byName(source);
      return other === undefined || other.id === id;
    })
  );
}

function applyRestructure(journal: Journal, event: ChangeEvent, selection: Selection): Applied {
  const current = findFor(journal, event);
  if (current === undefined) return { ...NOTHING, relist: selection.selects(event.namespace) };
  journal.incarnations.update(current.id, { toReconcile: true });
  return { ...NOTHING, restructured: [current.id] };
}

/** Whether a drop or rename is about this life of the name, and not about an older one (rule D2). */
function isMeant(incarnation: Incarnation, event: ChangeEvent): boolean {
  if (event.uuid !== null && incarnation.uuid !== null) return event.uuid === incarnation.uuid;
  return event.time > incarnation.knownSince;
}

/** Ends an incarnation: its keys, ranges and verification go, its collection at the destination is to be dropped. */
export function end(journal: Journal, incarnation: Incarnation, token: Buffer | null): void {
  journal.incarnations.update(incarnation.id, {
    state: 'ENDED',
    toReconcile: false,
    toRepair: false,
  });
  journal.dirty.clear(incarnation.id);
  journal.verifications.clear(incarnation.id);
  journal.keysToVerify.clear(incarnation.id);
  journal.ranges.clear(incarnation.id);
  journal.structural.add({ incarnation: incarnation.id, kind: 'drop' }, token);
}
