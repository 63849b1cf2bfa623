import { createHash } from 'node:crypto';

import { fieldsOf, isDocument, orderedDocument } from '@linkspan/contract/bson/ordered.ts';
import { asBuffer, keyOf } from '@linkspan/contract/bson/raw.ts';
import { Selection } from '@linkspan/contract/namespaces/selection.ts';
import { viewAtDestination } from '@linkspan/contract/namespaces/views.ts';
import type { Namespaces } from '@linkspan/contract/push/work.ts';
import { formatNamespace } from '@linkspan/contract/push/namespaces.ts';
import { EJSON, type Document } from 'bson';
import { MongoClient } from 'mongodb';

const SYSTEM_DATABASES = new Set(['admin', 'config', 'local']);
const MAX_DIFFERENCES = 50;
/** Documents of a collection that are looked for by their `_id`, one at a time. */
const MOST_ASKED = 1000;

export interface Comparison {
  /** In words, at most 50; empty when both sides are equal. */
  readonly differences: readonly string[];
  /**
   * Documents that one side does not show when all are read, and finds by their `_id` as the other has them.
   * SecantusDB was seen to do so; no migration could.
   */
  readonly contradictions: readonly string[];
  /** Collections and documents of the source, and their size in bytes. */
  readonly collections: number;
  readonly documents: number;
  readonly bytes: number;
}

interface Findings {
  readonly differ: (text: string) => void;
  readonly contradict: (text: string) => void;
}

interface Side {
  readonly name: string;
  readonly client: MongoClient;
}

/**
 * Compares two clusters in full: databases, collections, views, options, indexes, every document byte
 * for byte, and the natural order of capped collections. Memory holds one digest for each document of
 * one collection.
 * @param namespaces what of the source is to be at the destination, and where; null: everything, under its
 *   own name
 */
export async function compareClusters(
  sourceUri: string,
  destinationUri: string,
  namespaces: Namespaces | null = null,
): Promise<Comparison> {
  await using source = new MongoClient(sourceUri);
  await using destination = new MongoClient(destinationUri);
  const sides = [
    { name: 'source', client: source },
    { name: 'destination', client: destination },
  ] as const;
  const differences: string[] = [];
  const differ = (text: string): void => {
    if (differences.length < MAX_DIFFERENCES) differences.push(text);
  };
  const contradictions: string[] = [];
  const contradict = (text: string): void => void contradictions.push(text);
  let collections = 0;
  let documents = 0;
  let bytes = 0;

  const [left, right] = [
    await listNamespaces(sides[0], new Selection(namespaces)),
    await listNamespaces(sides[1]),
  ];
  for (const name of new Set([...left.keys(), ...right.keys()])) {
    const [a, b] = [left.get(name), right.get(name)];
    if (a === undefined || b === undefined) {
      const where = a === undefined ? 1 : 0;
      const count = await countDocuments(sides[where], (a ?? b) as Listed);
      differ(`${name} is at the ${sides[where].name} only, with ${count} documents`);
      continue;
    }
    if (a.type !== b.type) differ(`${name} is a ${a.type} at the source, a ${b.type} there`);
    const options = [text(withoutDefaults(a.options)), text(withoutDefaults(b.options))] as const;
    if (options[0] !== options[1]) {
      differ(`${name} options: ${options[0]} at the source, ${options[1]} there`);
    }
    if (a.type === 'view') continue;
    compareLists(name, await listIndexes(sides[0], a), await listIndexes(sides[1], b), differ);
    const both = [a, b] as const;
    const counted = await compareDocuments(sides, both, name, { differ, contradict });
    if (a.options['capped'] === true && !(await haveOneOrder(sides, both))) {
      differ(`${name}: the natural order differs`);
    }
    collections += 1;
    documents += counted.documents;
    bytes += counted.bytes;
  }
  return { differences, contradictions, collections, documents, bytes };
}

interface Listed {
  readonly db: string;
  readonly coll: string;
  readonly type: string;
  readonly options: Document;
}

/** By the name at the destination. */
async function listNamespaces(
  side: Side,
  selection: Selection = Selection.everything,
): Promise<Map<string, Listed>> {
  const listed = new Map<string, Listed>();
  const { databases } = await side.client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name: db } of databases) {
    if (SYSTEM_DATABASES.has(db)) continue;
    for (const info of await readExactly(side, db, { listCollections: 1 })) {
      const { name: coll, type = 'collection', options: all } = info;
      if (typeof coll !== 'string' || !selection.selects({ db, coll })) continue;
      const fields = Object.fromEntries(fieldsOf(all));
      const options = type === 'view' ? viewAtDestination(selection, { db, coll }, fields) : fields;
      const name = formatNamespace(selection.destinationOf({ db, coll }));
      listed.set(name, { db, coll, type: String(type), options });
    }
  }
  return listed;
}

async function countDocuments({ client }: Side, { db, coll, type }: Listed): Promise<number> {
  return type === 'view' ? 0 : client.db(db).collection(coll).countDocuments();
}

async function listIndexes(side: Side, { db, coll }: Listed): Promise<Map<string, string>> {
  const indexes = await readExactly(side, db, { listIndexes: coll });
  return new Map(
    indexes.map((index: Document) => {
      // `ns` and the version are the server's own business.
      const { ns: _ns, v: _v, ...rest } = index;
      return [String(rest['name']), text(withoutDefaults(rest))];
    }),
  );
}

function compareLists(
  name: string,
  a: ReadonlyMap<string, string>,
  b: ReadonlyMap<string, string>,
  differ: (text: string) => void,
): void {
  for (const index of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(index) === b.get(index)) continue;
    differ(
      `${name} index ${index}: ${a.get(index) ?? 'none'} at the source, ${b.get(index) ?? 'none'} there`,
    );
  }
}

/** Documents in the documents are maps, so that the order of their fields is compared. */
async function readExactly(side: Side, db: string, command: Document): Promise<Document[]> {
  const cursor = side.client.db(db).runCursorCommand(command, { raw: true });
  const documents = (await cursor.toArray()) as unknown as Uint8Array[];
  return documents.map((raw) => orderedDocument(asBuffer(raw)));
}

type Both<T> = readonly [T, T];

async function haveOneOrder(sides: Both<Side>, both: Both<Listed>): Promise<boolean> {
  const orders = ([0, 1] as const).map(async (at) => {
    const order = createHash('sha256');
    for await (const raw of rawDocuments(sides[at], both[at], { $natural: 1 })) order.update(raw);
    return order.digest('base64');
  });
  const [a, b] = await Promise.all(orders);
  return a === b;
}

async function compareDocuments(
  sides: Both<Side>,
  both: Both<Listed>,
  name: string,
  { differ, contradict }: Findings,
): Promise<{ documents: number; bytes: number }> {
  const digests = new Map<string, string>();
  let bytes = 0;
  for await (const raw of rawDocuments(sides[0], both[0])) {
    digests.set(idOf(raw), digest(raw));
    bytes += raw.length;
  }
  const documents = digests.size;
  const missing: [Map<string, string>, Map<string, string>] = [new Map(), new Map()];
  for await (const raw of rawDocuments(sides[1], both[1])) {
    const id = idOf(raw);
    const expected = digests.get(id);
    digests.delete(id);
    if (expected === undefined) missing[0].set(id, digest(raw));
    else if (expected !== digest(raw)) differ(`${name}: ${readable(id)} differs`);
  }
  missing[1] = digests;
  let asked = 0;
  for (const at of [0, 1] as const) {
    for (const [id, wanted] of missing[at]) {
      const where = `${name}: ${readable(id)}`;
      const found = asked < MOST_ASKED ? await digestById(sides[at], both[at], id) : null;
      asked += 1;
      if (found === wanted) contradict(`${where} at the ${sides[at].name}`);
      else differ(`${where} is at the ${sides[at === 0 ? 1 : 0].name} only`);
    }
  }
  return { documents, bytes };
}

/** By the `_id` alone, or null. */
async function digestById(
  { client }: Side,
  { db, coll }: Listed,
  id: string,
): Promise<string | null> {
  const [[, value] = []] = fieldsOf(orderedDocument(Buffer.from(id, 'hex')));
  const found = client
    .db(db)
    .collection(coll)
    .find({ _id: value as never }, { raw: true });
  const raws = (await found.toArray()) as unknown as Buffer[];
  const raw = raws.find((one) => idOf(one) === id);
  return raw === undefined ? null : digest(raw);
}

function rawDocuments(
  side: Side,
  { db, coll }: Listed,
  sort: Record<string, 1> = {},
): AsyncIterable<Buffer> {
  return side.client
    .db(db)
    .collection(coll)
    .find(
      {},
      { raw: true, readConcern: 'majority', batchSize: 1000, sort },
    ) as unknown as AsyncIterable<Buffer>;
}

/** The `_id` with its type, as its bytes in hex. */
function idOf(raw: Buffer): string {
  return keyOf(raw).toString('hex');
}

function readable(id: string): string {
  return render(orderedDocument(Buffer.from(id, 'hex')));
}

function digest(raw: Buffer): string {
  return createHash('sha256').update(raw).digest('base64');
}

const DEFAULTS: Document = { validationLevel: 'strict', validationAction: 'error' };

/** Some servers list what absence means where it was asked for, and others list neither. */
function withoutDefaults({ validator, collation, ...rest }: Document): Document {
  const isNone = fieldsOf(validator).length === 0;
  const { locale = 'simple' } = Object.fromEntries(fieldsOf(collation));
  const others = Object.entries(rest).filter(
    ([name, value]) => value !== false && value !== DEFAULTS[name],
  );
  return {
    ...Object.fromEntries(others),
    ...(!isNone && { validator }),
    ...(locale !== 'simple' && { collation }),
  };
}

/** With types; the order of the fields at the top is the server's own business. */
function text(document: Document): string {
  const sorted = Object.entries(document).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return render(new Map(sorted));
}

/** As EJSON, with the fields of documents in their order. */
function render(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(render).join(',')}]`;
  if (!isDocument(value)) return EJSON.stringify(value, { relaxed: false });
  return `{${fieldsOf(value)
    .map(([name, field]) => `${JSON.stringify(name)}:${render(field)}`)
    .join(',')}}`;
}
