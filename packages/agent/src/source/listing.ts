import { BSON, type Document } from 'mongodb';
import { elementsOf, findElement } from '@linkspan/contract/bson/raw.ts';
import { type Namespace, isMigratable } from '@linkspan/contract/push/namespaces.ts';
import type { ClusterTime } from '../journal/clusterTime.ts';
import { timestampOf } from './changeStream.ts';
import type { SourceConnection } from './connection.ts';
import { readCommand } from './cursor.ts';

/** A collection or view as listCollections and listIndexes show it. */
export interface ListedNamespace {
  readonly namespace: Namespace;
  readonly type: 'collection' | 'view';
  /** Hex; null for views and where the server does not say. */
  readonly uuid: string | null;
  readonly options: Document;
  /** Without `_id_`. */
  readonly indexes: readonly Document[];
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

/** Options that keep BSON types as they are through the driver. */
const EXACT = { promoteValues: false, promoteLongs: false, bsonRegExp: true } as const;

const NAMESPACE_NOT_FOUND = 26;

/** Every collection and view that a migration moves (rules D5, D6). */
export async function listSource(source: SourceConnection, after: ClusterTime): Promise<Listing> {
  const start = await source.run('admin', { ping: 1 });
  const databases = await source.client.db('admin').admin().listDatabases({ nameOnly: true });
  const namespaces: ListedNamespace[] = [];
  for (const { name } of databases.databases) {
    if (!isMigratable({ db: name, coll: '' })) continue;
    namespaces.push(...(await listDatabase(source, name, after)));
  }
  const end = await source.run('admin', { ping: 1 });
  return { from: start.time, to: end.time, namespaces };
}

/** One collection or view with its indexes, or null if there is none of that name now. */
export async function listOne(
  source: SourceConnection,
  namespace: Namespace,
  after: ClusterTime,
): Promise<{ from: ClusterTime; to: ClusterTime; found: ListedNamespace | null }> {
  const start = await source.run('admin', { ping: 1 });
  const [found] = await listDatabase(source, namespace.db, after, namespace.coll);
  const end = await source.run('admin', { ping: 1 });
  return { from: start.time, to: end.time, found: found ?? null };
}

async function listDatabase(
  source: SourceConnection,
  db: string,
  after: ClusterTime,
  coll?: string,
): Promise<ListedNamespace[]> {
  const infos = await readDocuments(source, db, {
    listCollections: 1,
    filter: coll === undefined ? {} : { name: coll },
    cursor: {},
    ...localAfter(after),
  });
  const namespaces: ListedNamespace[] = [];
  for (const raw of infos) {
    const info: Document = BSON.deserialize(raw, EXACT);
    const namespace = { db, coll: String(info['name']) };
    if (!isMigratable(namespace)) continue;
    const type = info['type'] === 'view' ? 'view' : 'collection';
    const options = info['options'] as Document;
    const unsupported = whyUnsupported(info['type'], options);
    const isPlain = type === 'collection' && unsupported === null;
    const listed = isPlain
      ? await listIndexes(source, namespace, after)
      : { indexes: [], unsupported };
    if (listed === null) continue;
    namespaces.push({ namespace, type, uuid: uuidOf(info), options, ...listed });
  }
  return namespaces;
}

async function readDocuments(
  source: SourceConnection,
  db: string,
  command: Document,
): Promise<Buffer[]> {
  const documents: Buffer[] = [];
  for await (const batch of readCommand(source, db, command, () => 1000)) {
    documents.push(...batch.documents);
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
    const reordered = listed.find((raw) => !keepsOrder(raw));
    const indexes = listed
      .map((raw): Document => BSON.deserialize(raw, EXACT))
      .filter((index) => index['name'] !== '_id_')
      .map((index) => Object.fromEntries(Object.entries(index).filter(([name]) => name !== 'ns')));
    const name: unknown = reordered && BSON.deserialize(reordered)['name'];
    return {
      indexes,
      unsupported:
        reordered === undefined
          ? null
          : `its index "${String(name)}" has whole numbers among its field names, whose order cannot be kept yet`,
    };
  } catch (error) {
    if ((error as { code?: unknown }).code === NAMESPACE_NOT_FOUND) return null;
    throw error;
  }
}

/** JavaScript puts property names that are whole numbers first, and the order of an index is its meaning. */
function keepsOrder(index: Buffer): boolean {
  const key = findElement(index, 'key');
  if (key === undefined) return true;
  const names = [...elementsOf(index, key.value)].map(({ name }) => name);
  const asObject = Object.keys(Object.fromEntries(names.map((name) => [name, 1])));
  return names.every((name, position) => name === asObject[position]);
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
  const uuid: unknown = info['info']?.['uuid'];
  if (uuid === undefined || info['type'] === 'view') return null;
  return Buffer.from((uuid as { buffer: Uint8Array }).buffer).toString('hex');
}

function whyUnsupported(type: unknown, options: Document): string | null {
  if (type === 'timeseries' || options['timeseries'] !== undefined) {
    return 'time series collections are not moved yet';
  }
  if (options['capped'] === true) {
    return 'capped collections are not moved yet';
  }
  return null;
}
