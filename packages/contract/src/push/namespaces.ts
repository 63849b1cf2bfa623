/** Databases that are never read for a migration and never pushed to (rule C12). */
const RESERVED_DATABASES = new Set(['admin', 'config', 'local']);

/** A collection or view by the names of its database and itself. */
export interface Namespace {
  readonly db: string;
  readonly coll: string;
}

/** True for a namespace that a migration moves: no reserved database, no `system.*` collection. */
export function isMigratable(namespace: Namespace): boolean {
  return !RESERVED_DATABASES.has(namespace.db) && !namespace.coll.startsWith('system.');
}

/**
 * Where a server keeps the buckets of a time series collection, which are what is moved of it (rule D20).
 * The only `system.*` collection that is read and written, and never named in a push: a batch or walk of
 * the time series says `buckets`.
 */
export function bucketsOf({ db, coll }: Namespace): Namespace {
  return { db, coll: `system.buckets.${coll}` };
}

/** `db.coll`, for messages to people; not a key, since a database's name cannot be cut from it safely. */
export function formatNamespace(namespace: Namespace): string {
  return `${namespace.db}.${namespace.coll}`;
}

/** A map key for a namespace: no database name holds a NUL byte. */
export function namespaceKey(namespace: Namespace): string {
  return `${namespace.db}\0${namespace.coll}`;
}
