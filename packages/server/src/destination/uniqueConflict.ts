import { formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import { BSON, MongoServerError, type Document } from 'mongodb';

import type { Destination } from './destination.ts';

export const DUPLICATE_KEY = 11_000;

/** What a server says of a key that two documents would have in a unique index. */
export interface DuplicateKey {
  readonly code: number;
  readonly errmsg?: string;
  /** Absent before 4.4 (https://www.mongodb.com/docs/manual/release-notes/4.4/). */
  readonly keyPattern?: Document;
  readonly keyValue?: Document;
}

/** The one that refused a command as such, as a build of an index is, or null. */
export function duplicateKeyOf(error: unknown): DuplicateKey | null {
  if (!(error instanceof MongoServerError)) return null;
  const reply = error.errorResponse as DuplicateKey;
  return Number(reply.code) === DUPLICATE_KEY ? reply : null;
}

/** The index that a duplicate key error names: only its text does. */
export function indexOf({ errmsg = '' }: DuplicateKey): string | undefined {
  return / index: (.+?)(?: collation: \{.*\})? dup key:/.exec(errmsg)?.[1];
}

/** Without the values that a server's text of a duplicate key shows: they are the user's data. */
export function describeConflict(conflict: DuplicateKey): string {
  const pattern = JSON.stringify(conflict.keyPattern ?? {});
  return `the same key in the unique index "${indexOf(conflict) ?? '?'}" ${pattern}`;
}

/** @param holders raw keys of the two documents of a conflict, as far as they are known */
export function describeHolders(holders: readonly Buffer[]): string {
  if (holders.length < 2) return 'two documents';
  const ids = holders.map((key) => {
    const text = BSON.EJSON.stringify(BSON.deserialize(key)['_id']);
    return text.length > 100 ? `${text.slice(0, 100)}…` : text;
  });
  return `the documents with _id ${ids.join(' and ')}`;
}

/**
 * Keys of documents at the destination that have the key of a conflict, as raw BSON; none where the
 * server does not say enough of it.
 * @param specs of the collection's indexes, those to be built among them
 * @param document raw, the one that was refused, or null: a server hides the values of a collated index
 */
export async function holdersOf(
  destination: Destination,
  namespace: Namespace,
  conflict: DuplicateKey,
  specs: readonly Document[],
  document: Buffer | null,
  limit: number,
): Promise<Buffer[]> {
  const name = indexOf(conflict);
  const spec = specs.find((one) => one['name'] === name);
  const collation = spec?.['collation'] as Document | undefined;
  const values =
    collation === undefined ? conflict.keyValue : valuesIn(document, conflict.keyPattern);
  if (values === undefined || spec === undefined) return [];
  const partial = spec['partialFilterExpression'] as Document | undefined;
  const equal = Object.entries(values).map(([path, value]) => ({ [path]: { $eq: value } }));
  const found = await destination.readAll(
    namespace.db,
    `look for who has a unique key, ${formatNamespace(namespace)}`,
    {
      find: namespace.coll,
      filter: { $and: [...equal, ...(partial === undefined ? [] : [partial])] },
      projection: { _id: 1 },
      limit,
      singleBatch: true,
      ...(collation !== undefined && { collation }),
    },
  );
  return found.map(({ _id }) => Buffer.from(BSON.serialize({ _id })));
}

/** What the document has at the paths of the index; undefined where an array is on the way. */
function valuesIn(document: Buffer | null, keyPattern: Document | undefined): Document | undefined {
  if (document === null || keyPattern === undefined) return undefined;
  const whole = BSON.deserialize(document, { promoteValues: false }) as unknown;
  const values: Document = {};
  for (const path of Object.keys(keyPattern)) {
    let value: unknown = whole;
    for (const field of path.split('.')) {
      if (Array.isArray(value)) return undefined;
      value = (value as Document | null | undefined)?.[field];
    }
    if (Array.isArray(value)) return undefined;
    values[path] = value ?? null;
  }
  return values;
}
