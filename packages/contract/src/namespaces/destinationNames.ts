import { formatNamespace, isMigratable, type Namespace } from '../push/namespaces.ts';

/** Of a database's name; servers want fewer than 64. */
const DATABASE_BYTES = 63;

/** Of `db.coll`, since MongoDB 4.4. */
const NAMESPACE_BYTES = 255;

/** What no server that runs on Unix takes in the name of a database. */
const NOT_IN_DATABASES = /[/\\. "$\0]/;

/**
 * Why a MongoDB server refuses to have a database of that name, in words, or null.
 * Source: MongoDB's page of limits and naming restrictions.
 */
export function whyNotDatabase(db: string): string | null {
  if (db === '') return 'a database has a name';
  if (Buffer.byteLength(db) > DATABASE_BYTES) {
    return `the name of a database has at most ${DATABASE_BYTES} bytes`;
  }
  const found = NOT_IN_DATABASES.exec(db)?.[0];
  if (found !== undefined) return `the name of a database holds no ${JSON.stringify(found)}`;
  // Servers take names that differ by case only for the same one.
  if (!isMigratable({ db: db.toLowerCase(), coll: '' })) return `"${db}" is reserved`;
  return null;
}

/** The same of a collection or view. */
export function whyNotNamespace(namespace: Namespace): string | null {
  const { db, coll } = namespace;
  const reason = whyNotDatabase(db);
  if (reason !== null) return reason;
  if (coll === '') return 'a collection has a name';
  if (coll.startsWith('.')) return 'the name of a collection begins with no dot';
  if (coll.startsWith('system.')) return '"system." is reserved';
  if (coll.includes('$') || coll.includes('\0')) {
    return 'the name of a collection holds no "$" and no NUL';
  }
  if (Buffer.byteLength(formatNamespace(namespace)) > NAMESPACE_BYTES) {
    return `database and collection together have at most ${NAMESPACE_BYTES} bytes`;
  }
  return null;
}

/** Names of databases that differ by case only: no server has both. */
export function differingByCase(databases: Iterable<string>): [string, string][] {
  const seen = new Map<string, string>();
  const pairs: [string, string][] = [];
  for (const db of new Set(databases)) {
    const folded = db.toLowerCase();
    const other = seen.get(folded);
    if (other === undefined) seen.set(folded, db);
    else pairs.push([other, db]);
  }
  return pairs;
}
