import {
  formatNamespace,
  namespaceKey,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';
import type {
  DropNamespace,
  ReconcileCollection,
  ReconcileRequest,
  ReconcileView,
  RenameNamespace,
  StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import type { Document } from 'mongodb';

import { canonical, normaliseCollation } from './canonical.ts';
import {
  findEntries,
  findEntry,
  hasBuckets,
  isEmpty,
  listIndexes,
  listIndexesAndBuilds,
  type CatalogEntry,
} from './catalog.ts';
import { fixedDifference, normaliseOptions, optionChanges } from './collectionOptions.ts';
import type { Destination } from './destination.ts';
import { DestinationRefusedError, StructureRefusedError } from './errors.ts';
import { isBuiltIn, normaliseIndex, planIndexes } from './indexSpecs.ts';
import { describeConflict, describeHolders, duplicateKeyOf, holdersOf } from './uniqueConflict.ts';

/** Of {@link reconcileAll}: commands under way at the destination. */
const AT_ONCE = 8;

const UNAUTHORIZED = 13;
const NAMESPACE_NOT_FOUND = 26;
const INDEX_NOT_FOUND = 27;
const NAMESPACE_EXISTS = 48;

/** What the migration created, kept so that it outlives the process (rules C2, D11). */
export interface OwnedNamespaces {
  has(namespace: Namespace): Promise<boolean>;
  /** Durable when it returns: called before the command that creates it is sent. */
  add(namespace: Namespace): Promise<void>;
  /** Called after the drop was acknowledged. */
  remove(namespace: Namespace): Promise<void>;
}

/**
 * Carries a structural request out at the destination. Repeating it does nothing more.
 * @returns what was done, in words
 * @throws {StructureRefusedError} where it cannot be done, or would touch what is not the migration's
 * @throws {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function applyStructure(
  destination: Destination,
  owned: OwnedNamespaces,
  request: StructureRequest,
): Promise<string[]> {
  const work = new Structure(destination, owned, (namespace) => findEntry(destination, namespace));
  switch (request.action) {
    case 'collection':
      await work.collection(request);
      break;
    case 'view':
      await work.view(request);
      break;
    case 'drop':
      await work.drop(request);
      break;
    case 'rename':
      await work.rename(request);
      break;
  }
  return work.changes;
}

/** What came of one of many requests: `error` says why it was refused. */
export interface Reconciled {
  readonly changes: readonly string[];
  readonly error: StructureRefusedError | DestinationRefusedError | null;
}

/**
 * Carries out requests of different namespaces, with one look at what is there: servers read their
 * whole catalogue for it.
 * @returns what came of each, in their order
 * @throws {DestinationUnavailableError}
 */
export async function reconcileAll(
  destination: Destination,
  owned: OwnedNamespaces,
  requests: readonly ReconcileRequest[],
): Promise<Reconciled[]> {
  const entries = await findEntries(destination, requests);
  const find: FindEntry = async (namespace) => entries.get(namespaceKey(namespace)) ?? null;
  return concurrently(requests, AT_ONCE, async (request) => {
    const work = new Structure(destination, owned, find);
    try {
      await (request.action === 'view' ? work.view(request) : work.collection(request));
      return { changes: work.changes, error: null };
    } catch (error) {
      const isRefusal =
        error instanceof StructureRefusedError || error instanceof DestinationRefusedError;
      if (!isRefusal) throw error;
      return { changes: work.changes, error };
    }
  });
}

type FindEntry = (namespace: Namespace) => Promise<CatalogEntry | null>;

class Structure {
  readonly changes: string[] = [];
  readonly #destination: Destination;
  readonly #owned: OwnedNamespaces;
  readonly #find: FindEntry;

  constructor(destination: Destination, owned: OwnedNamespaces, find: FindEntry) {
    this.#destination = destination;
    this.#owned = owned;
    this.#find = find;
  }

  async collection(request: ReconcileCollection): Promise<void> {
    const where = formatNamespace(request);
    const options = normaliseOptions(request.options, where);
    const indexes = request.indexes
      .filter((spec) => !isBuiltIn(spec))
      .map((spec) => normaliseIndex(spec, where));
    let entry = await this.#find(request);
    if (entry !== null && (await this.#isToReplace(request, entry, options))) {
      await this.#drop(request);
      entry = null;
    }
    entry ??= await this.#create(request, options);
    if (entry !== null) {
      await this.#claim(request, entry);
      await this.#alterOptions(request, normaliseOptions(entry.options, where), options);
    }
    if (options['timeseries'] !== undefined) await this.#checkSeries(request);
    await this.#alterIndexes(request, indexes, options['collation'] !== undefined);
  }

  /** D20: what is pushed of a time series are buckets or documents, as both sides keep it. */
  async #checkSeries(request: ReconcileCollection): Promise<void> {
    const isPushed = request.buckets === true;
    if ((await hasBuckets(this.#destination, request)) === isPushed) return;
    throw new StructureRefusedError(
      `${formatNamespace(request)} is a time series that the source keeps ${isPushed ? 'in buckets, and' : 'as documents, and'} the destination ${isPushed ? 'as documents' : 'in buckets'}: it can be moved only between servers that keep it alike`,
    );
  }

  /** A view of ours, or an empty collection of ours that has what cannot be changed. */
  async #isToReplace(
    request: ReconcileCollection,
    entry: CatalogEntry,
    wanted: Document,
  ): Promise<boolean> {
    if (!(await this.#owned.has(request))) return false;
    if (entry.type === 'view') return true;
    const current = normaliseOptions(entry.options, formatNamespace(request));
    if (fixedDifference(current, wanted) === null) return false;
    return isEmpty(this.#destination, request);
  }

  async view(request: ReconcileView): Promise<void> {
    const { viewOn, pipeline } = request.options;
    const collation = normaliseCollation(request.options['collation']);
    const wanted = { viewOn, pipeline, ...(collation === undefined ? {} : { collation }) };
    const entry = await this.#find(request);
    const same = entry !== null && sameView(entry, wanted);
    if (entry !== null && !(await this.#owned.has(request))) {
      if (!same) throw notOurs(request, entry);
      await this.#owned.add(request);
    }
    if (same) return;
    // A view holds nothing, and not every server alters one.
    if (entry !== null) await this.#drop(request);
    const late = await this.#create(request, wanted);
    if (late !== null && !sameView(late, wanted)) {
      throw new StructureRefusedError(
        `${formatNamespace(request)} was made by another request meanwhile: send this one again`,
      );
    }
  }

  async drop(request: DropNamespace): Promise<void> {
    if (await this.#owned.has(request)) {
      await this.#drop(request);
      await this.#owned.remove(request);
      return;
    }
    const entry = await this.#find(request);
    if (entry !== null) throw notOurs(request, entry);
  }

  async rename(request: RenameNamespace): Promise<void> {
    const to = { db: request.toDb, coll: request.toColl };
    const [entry, target] = await Promise.all([this.#find(request), this.#find(to)]);
    const ownsTarget = await this.#owned.has(to);
    if (entry === null) {
      if (target === null || !ownsTarget) {
        throw new StructureRefusedError(
          `${formatNamespace(request)} is not there to be renamed to ${formatNamespace(to)}`,
        );
      }
      await this.#owned.remove(request);
      return;
    }
    if (!(await this.#owned.has(request))) throw notOurs(request, entry);
    if (target !== null && !ownsTarget) await this.#claim(to, target);
    await this.#owned.add(to);
    const command = {
      renameCollection: formatNamespace(request),
      to: formatNamespace(to),
      dropTarget: target !== null,
    };
    // From one database to another all of it is copied, which takes as long as it takes.
    const unhurried = request.db !== to.db;
    const how = { db: 'admin', unhurried };
    await this.#run(request, `rename it to ${formatNamespace(to)}`, command, how);
    await this.#owned.remove(request);
  }

  /** Makes an existing collection the migration's: it is already, or it is empty (rule D11). */
  async #claim(namespace: Namespace, entry: CatalogEntry): Promise<void> {
    if (await this.#owned.has(namespace)) return;
    if (entry.type === 'view' || !(await isEmpty(this.#destination, namespace))) {
      throw notOurs(namespace, entry);
    }
    await this.#owned.add(namespace);
  }

  /**
   * @returns what is there already: an earlier request may have been carried out after all, although its
   *   answer was lost
   */
  async #create(namespace: Namespace, options: Document): Promise<CatalogEntry | null> {
    const wasOurs = await this.#owned.has(namespace);
    await this.#owned.add(namespace);
    try {
      await this.#run(namespace, 'create it', { create: namespace.coll, ...options });
      return null;
    } catch (error) {
      if (codeOf(error) !== NAMESPACE_EXISTS) throw error;
      const late = wasOurs ? await findEntry(this.#destination, namespace) : null;
      if (late !== null) return late;
      // Someone else was faster: it is theirs.
      if (!wasOurs) await this.#owned.remove(namespace);
      throw error;
    }
  }

  async #drop(namespace: Namespace): Promise<void> {
    await this.#run(
      namespace,
      'drop it',
      { drop: namespace.coll },
      {
        harmless: NAMESPACE_NOT_FOUND,
      },
    );
  }

  async #alterOptions(namespace: Namespace, current: Document, wanted: Document): Promise<void> {
    const changes = optionChanges(current, wanted, formatNamespace(namespace));
    if (Object.keys(changes).length === 0) return;
    await this.#run(namespace, `change ${Object.keys(changes).join(', ')}`, {
      collMod: namespace.coll,
      ...changes,
    });
  }

  async #alterIndexes(
    namespace: Namespace,
    wanted: readonly Document[],
    collated: boolean,
  ): Promise<void> {
    const where = formatNamespace(namespace);
    const normalised = (specs: readonly Document[]): Document[] =>
      specs.map((spec) => normaliseIndex(spec, where));
    // What is being built is not there yet: `createIndexes` waits for the builds that go on.
    const listed = await listIndexesAndBuilds(this.#destination, namespace);
    let plan = planIndexes(normalised(listed.ready), wanted, collated, true);
    const buildable = wanted.map(({ prepareUnique: _prepared, ...spec }) => spec);
    for (const build of listed.builds) {
      if (planIndexes(normalised(build), buildable, collated, false).drop.length === 0) continue;
      await this.#dropIndexes(
        namespace,
        build.map(({ name }) => String(name)),
      );
    }
    for (const index of plan.alter) {
      await this.#run(namespace, `change the index ${String(index['name'])}`, {
        collMod: namespace.coll,
        index,
      });
    }
    // Some servers acknowledge an alteration that they do not make.
    if (plan.alter.length > 0) {
      const current = await listIndexes(this.#destination, namespace);
      plan = planIndexes(normalised(current), wanted, collated, false);
    }
    for (const name of plan.drop) await this.#dropIndexes(namespace, [name]);
    if (plan.create.length === 0) return;
    const names = plan.create.map((spec) => String(spec['name'])).join(', ');
    try {
      await this.#run(
        namespace,
        `build the indexes ${names}`,
        { createIndexes: namespace.coll, indexes: plan.create },
        { unhurried: true },
      );
    } catch (error) {
      throw await this.#withHolders(namespace, plan.create, error);
    }
    for (const { name, prepareUnique } of wanted) {
      if (prepareUnique !== true || !plan.create.some((spec) => spec['name'] === name)) continue;
      await this.#run(namespace, `prepare the index ${String(name)} to become unique`, {
        collMod: namespace.coll,
        index: { name, prepareUnique },
      });
    }
  }

  /** @param names of more than one all that one build makes: a `mongod` takes no other set */
  async #dropIndexes(namespace: Namespace, names: readonly string[]): Promise<void> {
    const index = names.length === 1 ? names[0] : names;
    const what = `drop the index ${names.join(', ')}`;
    const how = { harmless: INDEX_NOT_FOUND };
    await this.#run(namespace, what, { dropIndexes: namespace.coll, index }, how);
  }

  /** Rule D17: of a build that found two documents with one key, which those are. */
  async #withHolders(
    namespace: Namespace,
    specs: readonly Document[],
    error: unknown,
  ): Promise<unknown> {
    if (!(error instanceof StructureRefusedError)) return error;
    const conflict = duplicateKeyOf((error.cause as Error).cause);
    if (conflict === null) return error;
    const holders = await holdersOf(this.#destination, namespace, conflict, specs, null, 2);
    return new StructureRefusedError(
      `${formatNamespace(namespace)}: ${describeHolders(holders)} have ${describeConflict(conflict)}`,
      { cause: error.cause, holders },
    );
  }

  async #run(
    namespace: Namespace,
    what: string,
    command: Document,
    how: {
      /** The database that the command is sent to, if not the namespace's. */
      readonly db?: string;
      /** A code that says that there was nothing to do. */
      readonly harmless?: number;
      /** Takes as long as it takes. */
      readonly unhurried?: boolean;
    } = {},
  ): Promise<void> {
    const doing = `${formatNamespace(namespace)}: ${what}`;
    const db = how.db ?? namespace.db;
    try {
      if (how.unhurried === true) await this.#destination.writeUnhurried(db, doing, command);
      else await this.#destination.write(db, doing, command);
    } catch (error) {
      if (!(error instanceof DestinationRefusedError) || error.code === UNAUTHORIZED) throw error;
      if (error.code !== null && error.code === how.harmless) return;
      throw new StructureRefusedError(error.message, { cause: error });
    }
    this.changes.push(doing);
  }
}

function sameView(entry: CatalogEntry, wanted: Document): boolean {
  if (entry.type !== 'view') return false;
  const { viewOn, pipeline, collation } = entry.options;
  return (
    canonical([viewOn, pipeline, normaliseCollation(collation) ?? null]) ===
    canonical([wanted['viewOn'], wanted['pipeline'], wanted['collation'] ?? null])
  );
}

function codeOf(error: unknown): number | null {
  const cause = error instanceof StructureRefusedError ? error.cause : error;
  return cause instanceof DestinationRefusedError ? cause.code : null;
}

function notOurs(namespace: Namespace, entry: CatalogEntry): StructureRefusedError {
  return new StructureRefusedError(
    `the destination has a ${entry.type} ${formatNamespace(namespace)} that this migration did not create: drop or rename it there, or start a migration with dropDestinationData`,
  );
}
