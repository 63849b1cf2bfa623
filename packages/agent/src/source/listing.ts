import type { Binary, Document } from 'mongodb';
import {
  fieldsOf,
  isExact,
  orderedDocument,
  orderedValue,
} from '@linkspan/contract/bson/ordered.ts';
import { findElement } from '@linkspan/contract/bson/raw.ts';
import { namesFilter } from '@linkspan/contract/namespaces/namesFilter.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { type Namespace, bucketsOf } from '@linkspan/contract/push/namespaces.ts';
import { concurrently } from '@linkspan/contract/tasks/concurrently.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { timestampOf } from './changeStream.ts';
import type { SourceConnection } from './connection.ts';
import { readCommand } from './cursor.ts';

/**
 * A collection or view as listCollections and listIndexes show it. In options and specifications,
 * documents are maps, which keep their order.
 */
export interface ListedNamespace {
  readonly namespace: Namespace;
  readonly type: 'collection' | 'view';
  /** Hex; null for views and where the server does not say. */
  readonly uuid: string | null;
  readonly options: Document;
  /** Without `_id_`. */
  readonly indexes: readonly Document[];
  /** A time series whose buckets can be read, and are what is moved (rule D20). */
  readonly buckets: boolean;
  /** Why it cannot be moved yet, in words, or null. */
  readonly unsupported: string | null;
}

/**
 * A listing is not a snapshot: it shows what happened up to `from`, and of what happened between
 * `from` and `to` it may show any part.
 */
export interface Listing {
  readonly from: ClusterTime;
  readonly to: ClusterTime;
  readonly namespaces: readonly ListedNamespace[];
}

const NAMESPACE_NOT_FOUND = 26;

/** Collections whose indexes are listed at once. */
const AT_ONCE = 8;

/**
 * Every collection and view that a migration moves (rules D5, D6).
 * @param what `names` leaves out indexes, which are asked for one collection at a time
 */
export async function listSource(
  source: SourceConnection,
  after: ClusterTime,
  what: 'names' | 'all' = 'all',
  selection: Selection = Selection.everything,
): Promise<Listing> {
  const start = await source.run('admin', { ping: 1 });
  const databases = await source.client.db('admin').admin().listDatabases({ nameOnly: true });
  const namespaces: ListedNamespace[] = [];
  for (const { name } of databases.databases) {
    if (!selection.maySelectIn(name)) continue;
    const indexes = what === 'all';
    namespaces.push(...(await listDatabase(source, name, after, { indexes, selection })));
  }
  const end = await source.run('admin', { ping: 1 });
  return { from: start.time, to: end.time, namespaces };
}

/** Those of the names that there are now, with their indexes. */
export async function listNamed(
  source: SourceConnection,
  names: readonly Namespace[],
  after: ClusterTime,
): Promise<Listing> {
  const start = await source.run('admin', { ping: 1 });
  const namespaces: ListedNamespace[] = [];
  for (const [db, of] of Map.groupBy(names, (name) => name.db)) {
    const colls = of.map(({ coll }) => coll);
    namespaces.push(...(await listDatabase(source, db, after, { colls, indexes: true })));
  }
  const end = await source.run('admin', { ping: 1 });
  return { from: start.time, to: end.time, namespaces };
}

async function listDatabase(
  source: SourceConnection,
  db: string,
  after: ClusterTime,
  {
    colls,
    indexes,
    selection = Selection.everything,
  }: {
    readonly colls?: readonly string[];
    readonly indexes: boolean;
    readonly selection?: Selection;
  },
): Promise<ListedNamespace[]> {
  const wanted = colls && new Set(colls.flatMap(withBuckets));
  const isWanted = (raw: Buffer): boolean => wanted === undefined || wanted.has(nameOf(raw));
  const command = {
    listCollections: 1,
    filter: wanted === undefined ? {} : namesFilter(wanted),
    cursor: {},
    ...localAfter(after),
  };
  const infos = await readDocuments(source, db, command, isWanted);
  const namespaces: ListedNamespace[] = [];
  const names = new Set(infos.map(nameOf));
  for (const raw of infos) {
    const info = orderedDocument(raw);
    const namespace = { db, coll: String(info['name']) };
    if (!selection.selects(namespace)) continue;
    const type = info['type'] === 'view' ? 'view' : 'collection';
    const options = Object.fromEntries(fieldsOf(info['options']));
    const isSeries = info['type'] === 'timeseries';
    const buckets = isSeries && names.has(bucketsOf(namespace).coll);
    const unsupported = isSeries && !buckets ? WITHOUT_BUCKETS : whyInexact(raw);
    const uuid = uuidOf(info);
    namespaces.push({ namespace, type, uuid, options, indexes: [], buckets, unsupported });
  }
  if (!indexes) return namespaces;
  const listed = await concurrently(namespaces, AT_ONCE, async (found) => {
    if (found.type === 'view' || found.unsupported !== null) return found;
    const own = await listIndexes(source, found.namespace, after);
    return own === null ? null : { ...found, ...own };
  });
  return listed.filter((found) => found !== null);
}

function withBuckets(coll: string): string[] {
  return [coll, bucketsOf({ db: '', coll }).coll];
}

/** Of an entry that is not decoded otherwise. */
function nameOf(info: Buffer): string {
  const name = findElement(info, 'name');
  return name === undefined ? '' : String(orderedValue(info, name));
}

/** @param keep which of them are given back: the others take no memory beyond their batch */
async function readDocuments(
  source: SourceConnection,
  db: string,
  command: Document,
  keep: (document: Buffer) => boolean = () => true,
): Promise<Buffer[]> {
  const documents: Buffer[] = [];
  for await (const batch of readCommand(source, db, command, () => 1000)) {
    for (const document of batch.documents) {
      // A part of a reply keeps all of it.
      if (keep(document)) documents.push(Buffer.from(document));
    }
  }
  return documents;
}

/** null if the collection has gone meanwhile. */
async function listIndexes(
  source: SourceConnection,
  { db, coll }: Namespace,
  after: ClusterTime,
): Promise<{ indexes: Document[]; unsupported: string | null } | null> {
  try {
    const listed = await readDocuments(source, db, {
      listIndexes: coll,
      cursor: {},
      ...localAfter(after),
    });
    const indexes = listed
      .map((raw) => orderedDocument(raw))
      // The key of a clustered collection is one of its options.
      .filter(({ name, clustered }) => name !== '_id_' && Number(clustered ?? 0) === 0)
      .map((index) => Object.fromEntries(Object.entries(index).filter(([name]) => name !== 'ns')));
    const inexact = listed.find((raw) => !isExact(raw));
    if (inexact === undefined) return { indexes, unsupported: null };
    const name = String(orderedDocument(inexact)['name']);
    return { indexes, unsupported: `its index "${name}" ${HOLDS_INEXACT}` };
  } catch (error) {
    if ((error as { code?: unknown }).code === NAMESPACE_NOT_FOUND) return null;
    throw error;
  }
}

/** Since MongoDB 8.3; source: "rawData" in the server's and drivers' release notes. */
const WITHOUT_BUCKETS =
  'it is a time series collection without a collection of buckets beside it, or one that the user may not list, which is not moved yet';

const HOLDS_INEXACT =
  'holds a value that cannot be sent as it is: a string that is not UTF-8, a date beyond the year 275760, or one of a type that MongoDB has given up';

function whyInexact(info: Buffer): string | null {
  const options = findElement(info, 'options');
  if (options === undefined || isExact(info.subarray(options.value, options.end))) return null;
  return `one of its options ${HOLDS_INEXACT}`;
}

/**
 * Listings are read with `local`, the only concern that servers take for them. What a rollback could
 * undo does not count: a listing is used only once the stream, which shows committed changes alone,
 * has passed it (rule D7).
 */
function localAfter(time: ClusterTime): Document {
  if (time === 0n) return {};
  return { readConcern: { level: 'local', afterClusterTime: timestampOf(time) } };
}

function uuidOf(info: Document): string | null {
  const { uuid } = Object.fromEntries(fieldsOf(info['info'])) as { uuid?: Binary };
  if (uuid === undefined || info['type'] === 'view') return null;
  return Buffer.from(uuid.value()).toString('hex');
}
