import { BSON, BSONRegExp, Double, Int32, type Document } from 'mongodb';
import { namespaceKey } from '@linkspan/contract/push/namespaces.ts';
import type { StructureRequest } from '@linkspan/contract/push/structure.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { listNamespaces } from '../../src/destination/catalog.ts';
import { Destination } from '../../src/destination/destination.ts';
import { emptyCollection } from '../../src/destination/empty.ts';
import { NamespaceGoneError, StructureRefusedError } from '../../src/destination/errors.ts';
import { dropUserData } from '../../src/destination/prepare.ts';
import {
  applyStructure,
  type OwnedNamespace,
  type OwnedNamespaces,
} from '../../src/destination/structure.ts';
import { readRequest } from '../../src/gateway/structure.ts';

let mongo: MongoDB;
let destination: Destination;
let owned: Map<string, OwnedNamespace>;
let log: string[];
/** Whether {@link owned} may have been restored from a backup. */
let mayLack: boolean;
/** Called before the next command that changes something. */
let beforeNext: (() => Promise<unknown>) | null = null;

const ownership: OwnedNamespaces = {
  get mayLack() {
    return mayLack;
  },
  has: async (namespace) => owned.has(namespaceKey(namespace)),
  wasThere: async (namespace) => owned.get(namespaceKey(namespace))?.wasThere === true,
  add: async (namespace) => {
    log.push(`add ${namespace.db}.${namespace.coll}`);
    owned.set(namespaceKey(namespace), namespace);
  },
  remove: async (namespace) => {
    log.push(`remove ${namespace.db}.${namespace.coll}`);
    owned.delete(namespaceKey(namespace));
  },
};

beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
  destination = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-structure',
    mayConnect: () => true,
    guard: async (send) => {
      log.push('command');
      await beforeNext?.();
      beforeNext = null;
      return send();
    },
  });
});
afterAll(async () => {
  await destination?.close();
  await mongo?.stop();
});
beforeEach(async () => {
  owned = new Map();
  mayLack = false;
  log = [];
  await dropUserData(destination);
  log = [];
});

const db = 's';
const apply = (request: StructureRequest): Promise<string[]> =>
  // Through BSON, as the gateway gets it.
  applyStructure(destination, ownership, readRequest(Buffer.from(BSON.serialize(request))));
const collection = (
  coll: string,
  options: Document = {},
  indexes: readonly Document[] = [],
): Promise<string[]> => apply({ action: 'collection', db, coll, options, indexes });

async function listing(): Promise<unknown> {
  return listNamespaces(destination, [...owned.values()], { namesOnly: false, counted: true });
}

const INDEXES = [
  { v: new Int32(2), key: { a: new Int32(1), b: new Double(-1) }, name: 'a_1_b_-1' },
  { v: 2, key: { u: 1 }, name: 'u_1', unique: true, sparse: true },
  { v: 2, key: { d: 1 }, name: 'd_1', expireAfterSeconds: 2147483647 },
  {
    v: 2,
    key: { p: 1 },
    name: 'p_1',
    partialFilterExpression: { p: new BSONRegExp('^x', '') },
    ns: 's.c',
  },
];

test('a collection with indexes is made, and asking again changes nothing', async () => {
  expect(await collection('c', {}, INDEXES)).toEqual([
    's.c: create it',
    's.c: build the indexes a_1_b_-1, u_1, d_1, p_1',
  ]);
  expect(log.slice(0, 2), 'recorded before it is sent (C2)').toEqual(['add s.c', 'command']);
  expect(await collection('c', {}, INDEXES)).toEqual([]);
  expect(await collection('c', {}, INDEXES.toReversed())).toEqual([]);
});

test('TTL and visibility are altered; other differences build the index again', async () => {
  await collection('c', {}, INDEXES);
  const changed = INDEXES.map((spec) => {
    if (spec.name === 'd_1') return { ...spec, expireAfterSeconds: 60 };
    if (spec.name === 'u_1') return { ...spec, hidden: true, sparse: false };
    if (spec.name === 'a_1_b_-1') return { ...spec, hidden: true };
    return spec;
  });
  const changes = await collection('c', {}, changed);
  expect(changes).toContain('s.c: change the index a_1_b_-1');
  expect(changes).toContain('s.c: change the index d_1');
  expect(changes).toContain('s.c: drop the index u_1');
  expect(changes.join()).not.toMatch(/(drop|build) .*[dp]_1/);
  expect(await collection('c', {}, changed)).toEqual([]);
  expect(await collection('c', {}, [])).toHaveLength(4);
});

test('the index that a clustered collection has by itself is not made again', async () => {
  const clusteredIndex = { v: 2, key: { _id: 1 }, name: 'by_id', unique: true };
  const indexes = [{ ...clusteredIndex, clustered: true }];
  await collection('c', { clusteredIndex }, indexes);
  expect(await collection('c', { clusteredIndex }, indexes)).toEqual([]);
  const listed = await mongo.client().db('s').collection('c').listIndexes().toArray();
  expect(listed).toHaveLength(1);
});

test('Hazard 6: an index without a collation compares bytes in a collated collection', async () => {
  const collation = { locale: 'en', strength: 2 };
  const indexes = [
    { v: 2, key: { a: 1 }, name: 'a_1' },
    { v: 2, key: { b: 1 }, name: 'b_1', collation },
  ];
  await collection('c', { collation }, indexes);
  expect(await collection('c', { collation: { ...collation, version: '57.1' } }, indexes)).toEqual(
    [],
  );
  await mongo.client().db(db).collection('c').insertOne({});
  await expect(collection('c', {}, indexes)).rejects.toThrow(/s\.c has another collation/);
});

test('options follow the allow-list; what collMod can change is changed (C12)', async () => {
  await collection('c', { validator: { a: { $exists: true } }, validationLevel: 'moderate' });
  expect(await collection('c', { validator: { a: { $exists: true } } })).toEqual([
    's.c: change validationLevel',
  ]);
  expect(await collection('c', { changeStreamPreAndPostImages: { enabled: true } })).toEqual([
    's.c: change validator, changeStreamPreAndPostImages',
  ]);
  expect(await collection('c', { autoIndexId: true, storageEngine: { wiredTiger: {} } })).toEqual([
    's.c: change changeStreamPreAndPostImages',
  ]);
  expect(await collection('c')).toEqual([]);
  await expect(collection('d', { encryptedFields: {} })).rejects.toThrow(
    's.d has the option encryptedFields, which is not moved',
  );
});

test('a capped collection has its cap from the start; only an empty one is made again with another', async () => {
  const cap = { capped: true, size: 4096, max: new Int32(5) };
  expect(await collection('c', cap, INDEXES)).toHaveLength(2);
  expect(await collection('c', { ...cap, max: 5, size: new Double(4090) }, INDEXES)).toEqual([]);
  expect(await collection('c', { capped: true, size: 8192 })).toEqual([
    's.c: drop it',
    's.c: create it',
  ]);
  expect(await collection('c', { capped: false })).toEqual(['s.c: drop it', 's.c: create it']);
  await collection('c', cap);
  await mongo.client().db(db).collection('c').insertOne({});
  await expect(collection('c')).rejects.toThrow(/s\.c has another capped/);
});

test('the order and the types of index fields and options are kept, whole numbers too', async () => {
  const key = new Map<string, unknown>([
    ['z', new Int32(1)],
    ['5', new Double(-1)],
  ]);
  const filter = new Map<string, unknown>([
    ['b', { $gt: new Int32(1) }],
    ['7', { $lt: new Double(2) }],
  ]);
  const spec = { v: 2, key, name: 'odd', partialFilterExpression: filter };
  const options = { validator: new Map(filter), validationLevel: 'moderate' };
  expect(await collection('c', options, [spec])).toHaveLength(2);
  const stored = await destination.readAll(db, 'look', { listIndexes: 'c' });
  expect(BSON.serialize({ key: stored[1]?.['key'] })).toEqual(BSON.serialize({ key }));
  expect(BSON.serialize(stored[1]?.['partialFilterExpression'])).toEqual(BSON.serialize(filter));
  expect(await collection('c', options, [spec])).toEqual([]);
  const turned = new Map([...key].toReversed());
  expect(await collection('c', options, [{ ...spec, key: turned }])).toHaveLength(2);
  const view = {
    viewOn: 'c',
    pipeline: [{ $project: new Map([...filter.keys()].map((name) => [name, 1])) }],
  };
  expect(await apply({ action: 'view', db, coll: 'v', options: view })).toHaveLength(1);
  expect(await apply({ action: 'view', db, coll: 'v', options: view })).toEqual([]);
});

test('an index that is to become unique is prepared by collMod, and asking again changes nothing', async () => {
  const spec = { v: 2, key: { p: 1 }, name: 'p_1', prepareUnique: true };
  expect(await collection('c', {}, [spec])).toEqual([
    's.c: create it',
    's.c: build the indexes p_1',
    's.c: prepare the index p_1 to become unique',
  ]);
  expect(await collection('c', {}, [spec])).toEqual([]);
});

test('a collection of someone else is left alone, unless it is empty (D11)', async () => {
  await mongo.client().db(db).collection<{ _id: number }>('c').insertOne({ _id: 1 });
  await mongo.client().db(db).createCollection('empty');
  await expect(collection('c')).rejects.toThrow(
    /has a collection s\.c that this migration did not/,
  );
  await expect(apply({ action: 'drop', db, coll: 'c' })).rejects.toThrow(StructureRefusedError);
  expect(await collection('empty', {}, INDEXES)).toHaveLength(1);
  expect(await apply({ action: 'drop', db, coll: 'empty' })).toEqual(['s.empty: drop it']);
  expect(owned.size).toBe(0);
  expect(await apply({ action: 'drop', db, coll: 'empty' })).toEqual([]);
});

test('D11: what was there before is told apart, until the migration makes it anew', async () => {
  const client = mongo.client().db(db);
  const wasThere = (coll: string) => owned.get(namespaceKey({ db, coll }))?.wasThere;
  const view = (pipeline: readonly Document[]): Promise<string[]> =>
    apply({ action: 'view', db, coll: 'v', options: { viewOn: 'a', pipeline } });
  await client.createCollection('a');
  await client.createCollection('taken');
  await client.createCollection('v', { viewOn: 'a', pipeline: [] });
  await collection('a');
  await view([]);
  await collection('made');
  expect([wasThere('a'), wasThere('v'), wasThere('made')]).toEqual([true, true, false]);
  await view([{ $match: { a: 1 } }]);
  expect(wasThere('v'), 'it was replaced').toBe(false);
  const rename = { action: 'rename', db, toDb: db } as const;
  await apply({ ...rename, coll: 'made', toColl: 'taken' });
  await apply({ ...rename, coll: 'a', toColl: 'moved' });
  expect([wasThere('taken'), wasThere('moved')]).toEqual([true, true]);
  await apply({ action: 'drop', db, coll: 'moved' });
  await collection('moved');
  expect(wasThere('moved')).toBe(false);
});

test('D11: a collection is emptied in batches, whatever its keys are, and keeps what it is', async () => {
  const { signal } = new AbortController();
  const empty = (coll: string) => emptyCollection(destination, { db, coll }, signal);
  const client = mongo.client().db(db);
  await client.createCollection('full', { validator: { n: { $lt: 1e6 } } });
  await client.collection('full').createIndex({ n: 1 });
  const numbered = Array.from({ length: 1100 }, (_, n) => ({ _id: n % 2 === 0 ? n : { n }, n }));
  await client.collection<{ _id: unknown }>('full').insertMany(numbered as Document[] as never);
  await client.createCollection('v', { viewOn: 'full', pipeline: [] });
  expect(await empty('v')).toBeNull();
  expect(await client.collection('full').countDocuments(), 'a view is left').toBe(1100);
  expect(await empty('full')).toBeNull();
  expect(await client.collection('full').countDocuments()).toBe(0);
  expect(await client.collection('full').indexes()).toHaveLength(2);
  expect(await empty('full')).toBeNull();
  expect(await empty('gone')).toBeNull();
});

test('D11: what the agent had is not made when it is gone, and is believed only after a restore', async () => {
  const documents = mongo.client().db(db);
  const made = {
    action: 'collection',
    db,
    coll: 'c',
    options: {},
    indexes: [],
    made: true,
  } as const;
  await expect(apply(made)).rejects.toThrow(NamespaceGoneError);
  await expect(apply(made)).rejects.toThrow('s.c is not at the destination any more');
  expect(log).toEqual([]);
  await documents.collection('c').insertOne({ x: 1 });
  await documents.createCollection('v', { viewOn: 'c', pipeline: [] });
  const drop = { action: 'drop', db, coll: 'c', made: true } as const;
  const rename = { action: 'rename', db, coll: 'c', made: true, toDb: db, toColl: 'd' } as const;
  const view = { action: 'view', db, coll: 'v', made: true } as const;
  const other = { ...view, options: { viewOn: 'c', pipeline: [{ $match: {} }] } };
  for (const request of [made, drop, rename, other]) {
    await expect(apply(request)).rejects.toThrow('did not create');
  }
  mayLack = true;
  for (const request of [made, drop, rename, other]) {
    await expect(apply({ ...request, made: false })).rejects.toThrow('did not create');
  }
  expect(await apply(made)).toEqual([]);
  expect(await apply(other)).toEqual(['s.v: drop it', 's.v: create it']);
  owned.clear();
  expect(await apply(rename)).toEqual(['s.c: rename it to s.d']);
  // The answer to a rename may have been lost with the store.
  owned.clear();
  expect(await apply(rename)).toEqual([]);
  expect([...owned.values()]).toEqual([{ db, coll: 'd', wasThere: true }]);
  owned.clear();
  expect(await apply({ ...drop, coll: 'd' })).toEqual(['s.d: drop it']);
  expect(owned.size).toBe(0);
});

test('a view is made, altered, and takes the place of a collection of ours', async () => {
  await collection('base');
  await collection('v');
  const view = (options: Document): Promise<string[]> =>
    apply({ action: 'view', db, coll: 'v', options });
  expect(await view({ viewOn: 'base', pipeline: [{ $match: { a: 1 } }] })).toEqual([
    's.v: drop it',
    's.v: create it',
  ]);
  expect(await view({ viewOn: 'base', pipeline: [{ $match: { a: 1 } }] })).toEqual([]);
  expect(await view({ viewOn: 'base', pipeline: [] })).toHaveLength(2);
  expect(await listing()).toMatchObject({
    namespaces: [
      { coll: 'base', type: 'collection' },
      { coll: 'v', type: 'view', options: { viewOn: 'base', pipeline: [] } },
    ],
  });
  expect(await collection('v')).toEqual(['s.v: drop it', 's.v: create it']);
});

test('a rename records the new name first, and may be repeated', async () => {
  await collection('a', {}, INDEXES);
  log = [];
  const rename = { action: 'rename', db, coll: 'a', toDb: db, toColl: 'b' } as const;
  expect(await apply(rename)).toEqual(['s.a: rename it to s.b']);
  expect(log).toEqual(['add s.b', 'command', 'remove s.a']);
  expect(await apply(rename)).toEqual([]);
  await collection('a');
  expect(await apply(rename), 'ours is replaced').toEqual(['s.a: rename it to s.b']);
  expect(await listing()).toMatchObject({ namespaces: [{ coll: 'b', indexes: [] }] });

  await collection('a');
  await mongo.client().db(db).collection<{ _id: number }>('theirs').insertOne({ _id: 1 });
  await expect(apply({ ...rename, toColl: 'theirs' })).rejects.toThrow(StructureRefusedError);
  await expect(apply({ ...rename, coll: 'gone', toColl: 'x' })).rejects.toThrow(/not there/);
});

test('Hazard 13: a create that was carried out although its answer was lost is no refusal', async () => {
  const client = mongo.client().db(db);
  const ours = (coll: string): unknown =>
    owned.set(namespaceKey({ db, coll }), { db, coll, wasThere: false });
  ours('late');
  beforeNext = () => client.createCollection('late', { validationLevel: 'moderate' });
  expect(await collection('late', { validator: { a: 1 } })).toEqual([
    's.late: change validationLevel, validator',
  ]);
  ours('v');
  const options = { viewOn: 'late', pipeline: [{ $match: { a: 1 } }] };
  beforeNext = () => client.createCollection('v', { viewOn: 'late', pipeline: [] });
  const view = { action: 'view', db, coll: 'v', options } as const;
  await expect(apply(view)).rejects.toThrow(/send this one again/);
  expect(await apply(view)).toEqual(['s.v: drop it', 's.v: create it']);
  beforeNext = () => client.createCollection('theirs', { validationLevel: 'moderate' });
  await expect(collection('theirs')).rejects.toThrow(StructureRefusedError);
  expect(owned.has(namespaceKey({ db, coll: 'theirs' }))).toBe(false);
});

test('D17: a unique index over equal keys is refused, by name and with those who have one, and no value', async () => {
  await collection('c');
  await mongo
    .client()
    .db(db)
    .collection('c')
    .insertMany([
      { _id: 1, u: 'secret' },
      { _id: 2, u: 'other' },
      { _id: 3, u: 'secret' },
    ] as Document[]);
  const refused = (await collection('c', {}, INDEXES).catch((error: unknown) => error)) as Error;
  expect(refused).toBeInstanceOf(StructureRefusedError);
  expect(refused.message).toBe(
    's.c: the documents with _id 1 and 3 have the same key in the unique index "u_1" {"u":1}',
  );
  const holders = [1, 3].map((_id) => Buffer.from(BSON.serialize({ _id })));
  expect(refused).toMatchObject({ holders });
});
