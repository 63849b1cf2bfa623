import {
  formatNamespace,
  namespaceKey,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';
import type {
  DropNamespace,
  KnownToJournal,
  ReconcileCollection,
  ReconcileRequest,
  ReconcileView,
  RenameNamespace,
  StructureRequest,
} from '@linkspan/contract/push/structure.ts';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import type { Document } from 'mongodb';

import { canonical, normaliseCollation } from './canonical.ts';
import { findEntries, findEntry, hasBuckets, isEmpty, type CatalogEntry } from './catalog.ts';
import { fixedDifference, normaliseOptions, optionChanges } from './collectionOptions.ts';
import type { Destination } from './destination.ts';
import { DestinationRefusedError, NamespaceGoneError, StructureRefusedError } from './errors.ts';
import { alterIndexes } from './indexes.ts';
import { isBuiltIn, normaliseIndex } from './indexSpecs.ts';
import { StructureCommands } from './structureCommands.ts';

/** Of {@link reconcileAll}: commands under way at the destination. */
const AT_ONCE = 8;

const NAMESPACE_NOT_FOUND = 26;
const NAMESPACE_EXISTS = 48;

/** One that the migration created, or that was at the destination before and that it took over. */
export interface OwnedNamespace extends Namespace {
  readonly wasThere: boolean;
}

/** What the migration created, kept so that it outlives the process (rules C2, D11). */
export interface OwnedNamespaces {
  has(namespace: Namespace): Promise<boolean>;
  /** True for one that it took over. */
  wasThere(namespace: Namespace): Promise<boolean>;
  /**
   * Durable when it returns: called before the command that creates it is sent. Of one that is the
   * migration's, whether it was there before is set anew.
   */
  add(namespace: OwnedNamespace): Promise<void>;
  /** It may have forgotten some since a backup was restored: then the agent's journal is believed. */
  readonly mayLack?: boolean;
  /** Called after the drop was acknowledged. */
  remove(namespace: Namespace): Promise<void>;
}

/**
 * Carries a structural request out at the destination. Repeating it does nothing more.
 * @returns what was done, in words
 * @throws {StructureRefusedError} where it cannot be done, or would touch what is not the migration's
 * @throws {NamespaceGoneError}
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
  readonly #commands: StructureCommands;
  readonly #destination: Destination;
  readonly #owned: OwnedNamespaces;
  readonly #find: FindEntry;

  constructor(destination: Destination, owned: OwnedNamespaces, find: FindEntry) {
    this.#commands = new StructureCommands(destination);
    this.#destination = destination;
    this.#owned = owned;
    this.#find = find;
  }

  get changes(): string[] {
    return this.#commands.changes;
  }

  async collection(request: ReconcileCollection): Promise<void> {
    const where = formatNamespace(request);
    const options = normaliseOptions(request.options, where);
    const indexes = request.indexes
      .filter((spec) => !isBuiltIn(spec))
      .map((spec) => normaliseIndex(spec, where));
    let entry = await this.#find(request);
    if (entry !== null) await this.#remember(request);
    if (entry !== null && (await this.#isToReplace(request, entry, options))) {
      await this.#drop(request);
      entry = null;
    }
    if (entry === null && request.made === true) {
      throw new NamespaceGoneError(
        `${where} is not at the destination any more: somebody dropped or renamed it there`,
      );
    }
    entry ??= await this.#create(request, options);
    if (entry !== null) {
      await this.#claim(request, entry);
      await this.#alterOptions(request, normaliseOptions(entry.options, where), options);
    }
    if (options['timeseries'] !== undefined) await this.#checkSeries(request);
    await alterIndexes(this.#commands, request, indexes, options['collation'] !== undefined);
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
    if (entry !== null) await this.#remember(request);
    if (entry !== null && !(await this.#owned.has(request))) {
      if (!same) throw notOurs(request, entry);
      await this.#takeOver(request);
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
    await this.#remember(request);
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
    // It has the new name already where it was renamed before the backup was restored.
    if (entry !== null) await this.#remember(request);
    else if (target !== null) await this.#remember({ ...request, ...to });
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
    // What was there before stays so, under its new name or as what has its name now.
    const wasThere = (await this.#owned.wasThere(request)) || (await this.#owned.wasThere(to));
    await this.#owned.add({ ...to, wasThere });
    const command = {
      renameCollection: formatNamespace(request),
      to: formatNamespace(to),
      dropTarget: target !== null,
    };
    // From one database to another all of it is copied, which takes as long as it takes.
    const unhurried = request.db !== to.db;
    const how = { db: 'admin', unhurried };
    await this.#commands.run(request, `rename it to ${formatNamespace(to)}`, command, how);
    await this.#owned.remove(request);
  }

  /**
   * What was made since the backup of a store that was restored is the migration's all the same. Nobody knows
   * whether it was there before.
   */
  async #remember(namespace: Namespace & KnownToJournal): Promise<void> {
    if (namespace.made !== true || this.#owned.mayLack !== true) return;
    if (!(await this.#owned.has(namespace))) await this.#takeOver(namespace);
  }

  /** Makes an existing collection the migration's: it is already, or it is empty (rule D11). */
  async #claim(namespace: Namespace, entry: CatalogEntry): Promise<void> {
    if (await this.#owned.has(namespace)) return;
    if (entry.type === 'view' || !(await isEmpty(this.#destination, namespace))) {
      throw notOurs(namespace, entry);
    }
    await this.#takeOver(namespace);
  }

  async #takeOver({ db, coll }: Namespace): Promise<void> {
    await this.#owned.add({ db, coll, wasThere: true });
  }

  /**
   * @returns what is there already: an earlier request may have been carried out after all, although its
   *   answer was lost
   */
  async #create(namespace: Namespace, options: Document): Promise<CatalogEntry | null> {
    const wasOurs = await this.#owned.has(namespace);
    const { db, coll } = namespace;
    await this.#owned.add({ db, coll, wasThere: false });
    try {
      await this.#commands.run(namespace, 'create it', { create: namespace.coll, ...options });
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
    await this.#commands.run(
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
    await this.#commands.run(namespace, `change ${Object.keys(changes).join(', ')}`, {
      collMod: namespace.coll,
      ...changes,
    });
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
