import { fieldsOf } from '@linkspan/contract/bson/ordered.ts';
import { namesFilter } from '@linkspan/contract/namespaces/namesFilter.ts';
import {
  bucketsOf,
  formatNamespace,
  namespaceKey,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';
import type { DestinationListing } from '@linkspan/contract/push/structure.ts';
import type { Document } from 'mongodb';

import type { Destination } from './destination.ts';
import { DestinationRefusedError } from './errors.ts';
import { isBuiltIn } from './indexSpecs.ts';

const NAMESPACE_NOT_FOUND = 26;

/** A collection or view as listCollections shows it. */
export interface CatalogEntry {
  readonly name: string;
  readonly type: string;
  readonly options: Document;
}

/** What the destination holds under that name, or null. */
export async function findEntry(
  destination: Destination,
  { db, coll }: Namespace,
): Promise<CatalogEntry | null> {
  const entries = await listEntries(destination, db, { name: coll });
  return entries[0] ?? null;
}

/** True if the destination keeps a time series in buckets that are read and written by themselves. */
export async function hasBuckets(destination: Destination, namespace: Namespace): Promise<boolean> {
  const { db } = namespace;
  const found = await destination.readAll(db, `list the collections of ${db}`, {
    listCollections: 1,
    filter: { name: bucketsOf(namespace).coll },
  });
  return found.length > 0;
}

/** What the destination holds under each of the names, by their keys. */
export async function findEntries(
  destination: Destination,
  namespaces: readonly Namespace[],
): Promise<ReadonlyMap<string, CatalogEntry>> {
  const found = new Map<string, CatalogEntry>();
  for (const [db, names] of Map.groupBy(namespaces, (namespace) => namespace.db)) {
    const wanted = new Set(names.map(({ coll }) => coll));
    const isWanted = ({ name }: Document): boolean => wanted.has(String(name));
    for (const entry of await listEntries(destination, db, namesFilter(wanted), isWanted)) {
      found.set(namespaceKey({ db, coll: entry.name }), entry);
    }
  }
  return found;
}

/** The collections and views of a database, `system.*` left out. */
export async function listEntries(
  destination: Destination,
  db: string,
  filter: Document = {},
  keep?: (entry: Document) => boolean,
): Promise<CatalogEntry[]> {
  const command = { listCollections: 1, filter };
  const doing = `list the collections of ${db}`;
  const entries = await destination.readAll(db, doing, command, keep);
  return entries
    .filter(({ name }) => !String(name).startsWith('system.'))
    .map(({ name, type, options }) => ({
      name: name as string,
      type: (type as string | undefined) ?? 'collection',
      options: Object.fromEntries(fieldsOf(options)),
    }));
}

/** Specifications of the indexes of a collection, without `_id_`. */
export interface IndexListing {
  readonly ready: readonly Document[];
  /** Those that are being built, by builds: one ends for all of its indexes at once. */
  readonly builds: readonly (readonly Document[])[];
}

/** Their servers refuse to tell which indexes are being built. */
const WITHOUT_BUILDS = new WeakSet<Destination>();

/** Specifications of the indexes that are there, without `_id_`; none if there is no such collection. */
export async function listIndexes(
  destination: Destination,
  namespace: Namespace,
): Promise<readonly Document[]> {
  return (await listIndexesAndBuilds(destination, namespace)).ready;
}

/**
 * The same with those that are being built: a build may fail, or go on after the command that began it was
 * answered with an error.
 *
 * With `includeBuildUUIDs` a `mongod` lists an index that is being built as `{ spec, buildUUID }`, without it
 * like one that is there. `includeIndexBuildInfo` would hide all indexes of a time series. Source:
 * `list_indexes.cpp` and `list_indexes.idl` of the server (4.4 and newer). Servers that refuse the option
 * are asked without it; those that do not know it list all as being there. A mongos asks one shard.
 */
export async function listIndexesAndBuilds(
  destination: Destination,
  { db, coll }: Namespace,
): Promise<IndexListing> {
  const doing = `list the indexes of ${formatNamespace({ db, coll })}`;
  const list = (options: Document): Promise<Document[]> =>
    destination.readAll(db, doing, { listIndexes: coll, ...options });
  try {
    if (WITHOUT_BUILDS.has(destination)) return sortIndexes(await list({}));
    try {
      return sortIndexes(await list({ includeBuildUUIDs: true }));
    } catch (error) {
      if (!(error instanceof DestinationRefusedError) || error.code === NAMESPACE_NOT_FOUND) {
        throw error;
      }
      const listed = await list({});
      WITHOUT_BUILDS.add(destination);
      return sortIndexes(listed);
    }
  } catch (error) {
    const isGone = error instanceof DestinationRefusedError && error.code === NAMESPACE_NOT_FOUND;
    if (isGone) return { ready: [], builds: [] };
    throw error;
  }
}

function sortIndexes(listed: readonly Document[]): IndexListing {
  const ready: Document[] = [];
  const builds = new Map<string, Document[]>();
  for (const item of listed) {
    const { spec, buildUUID } = item;
    if (buildUUID === undefined || spec === undefined) {
      if (!isBuiltIn(item)) ready.push(item);
      continue;
    }
    const build = builds.get(String(buildUUID)) ?? [];
    builds.set(String(buildUUID), [...build, Object.fromEntries(fieldsOf(spec))]);
  }
  return { ready, builds: [...builds.values()] };
}

/** True if the collection holds no document. */
export async function isEmpty(destination: Destination, namespace: Namespace): Promise<boolean> {
  const { db, coll } = namespace;
  const documents = await destination.readAll(db, `look into ${formatNamespace(namespace)}`, {
    find: coll,
    limit: 1,
    singleBatch: true,
    projection: { _id: 1 },
  });
  return documents.length === 0;
}

/**
 * Which of the namespaces the destination holds, with what they are.
 * @param what `namesOnly`: options and indexes are not asked for; `counted`: documents are counted
 */
export async function listNamespaces(
  destination: Destination,
  namespaces: readonly Namespace[],
  { namesOnly, counted }: { readonly namesOnly: boolean; readonly counted: boolean },
): Promise<DestinationListing> {
  const found: DestinationListing['namespaces'][number][] = [];
  for (const [db, names] of Map.groupBy(namespaces, (namespace) => namespace.db)) {
    const wanted = new Set(names.map(({ coll }) => coll));
    for (const { name: coll, type, options } of await listEntries(destination, db)) {
      if (!wanted.has(coll)) continue;
      const isView = type === 'view';
      const kind = type === 'timeseries' ? ({ buckets: true } as const) : {};
      const one = { db, coll, type: isView ? 'view' : 'collection', ...kind } as const;
      if (namesOnly) {
        found.push({ ...one, options: {}, indexes: [] });
        continue;
      }
      const indexes = isView ? [] : await listIndexes(destination, { db, coll });
      const documents = counted && !isView ? await countDocuments(destination, { db, coll }) : null;
      const known = documents === null ? {} : { documents };
      found.push({ ...one, ...known, options, indexes });
    }
  }
  return { namespaces: found };
}

/** By its own bookkeeping, which may be wrong after a crash; null where it does not tell. */
async function countDocuments(
  { client }: Destination,
  { db, coll }: Namespace,
): Promise<number | null> {
  const counted = await client
    .db(db)
    .command({ count: coll })
    .catch(() => null);
  return counted === null ? null : Number(counted['n']);
}
