import { BSON, type Document } from 'mongodb';
import { keyOf } from '@linkspan/contract/bson/raw.ts';
import { MOST_NAMES } from '@linkspan/contract/namespaces/namesFilter.ts';
import { comparableKey } from '@linkspan/contract/bson/comparableKey.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { oddDocuments, rawOf } from '@linkspan/testkit/values.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openChangeStream, timestampOf } from '../src/source/changeStream.ts';
import { type SourceConnection, connectSource } from '../src/source/connection.ts';
import { describeSource, isSameSource } from '../src/source/identity.ts';
import { describeDeployment } from '../src/source/inventory.ts';
import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { portOf, throughProxy } from '@linkspan/testkit/destinationSide.ts';
import { listNamed, listSource } from '../src/source/listing.ts';
import { linearizableTime, readBack, readInOrder, readRange } from '../src/source/reader.ts';

const ODD = { db: 'reader', coll: 'odd' };

let mongodb: MongoDB;
let source: SourceConnection;
let documents: Document[];

beforeAll(async () => {
  mongodb = await startMongoDB({ name: 'source' });
  source = await connectSource(mongodb.uri);
  documents = oddDocuments();
  await mongodb
    .client()
    .db(ODD.db)
    .collection(ODD.coll)
    .insertMany(documents, { forceServerObjectId: true });
});

afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await mongodb.stop();
});

async function readAll(lower: Buffer | null, upper: Buffer | null, size = 7): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const batch of readRange(source, ODD, { lower, upper }, 0n, () => size)) {
    found.push(...batch.documents);
  }
  return found;
}

describe('reading', () => {
  it('gives documents byte for byte', async () => {
    const stored = new Map(
      documents.map((document) => [rawOf({ _id: document['_id'] }).toString('hex'), document]),
    );
    const found = await readAll(null, null);
    expect(found).toHaveLength(documents.length);
    for (const raw of found) {
      const document = stored.get(keyOf(raw).toString('hex'));
      expect(document, `a document with the key ${keyOf(raw).toString('hex')}`).toBeDefined();
      expect(raw.toString('hex')).toBe(rawOf(document ?? {}).toString('hex'));
    }
  });

  it('D6: every read names the time that it may not be older than', async () => {
    const separator = mongodb.uri.includes('?') ? '&' : '?';
    await using watched = await connectSource(`${mongodb.uri}${separator}monitorCommands=true`);
    const sent: [name: string, concern: Document | undefined][] = [];
    watched.client.on('commandStarted', ({ commandName, command }) => {
      sent.push([commandName, command['readConcern'] as Document | undefined]);
    });
    const { time } = await watched.run('admin', { ping: 1 });
    const reads = [
      readRange(watched, ODD, { lower: null, upper: null }, time, () => 1000),
      readInOrder(watched, ODD, time, () => 1000),
      readBack(watched, ODD, [rawOf({ _id: 1 })], time),
    ];
    for (const read of reads) for await (const _batch of read);
    await listNamed(watched, [ODD], time);
    const afterClusterTime = timestampOf(time);
    const majority = { level: 'majority', afterClusterTime };
    const local = { level: 'local', afterClusterTime };
    // A getMore reads with the concern of its cursor.
    const begun = sent.filter(([name]) => !['ping', 'getMore'].includes(name));
    expect(begun).toEqual([
      ['find', majority],
      ['find', majority],
      ['find', majority],
      ['listCollections', local],
      ['listIndexes', local],
    ]);
  });

  it('D9: ranges cut at a key of any type cover every document once', async () => {
    const whole = (await readAll(null, null)).map((raw) => keyOf(raw).toString('hex'));
    for (const bound of documents.map(({ _id }) => rawOf({ _id }))) {
      const below = await readAll(null, bound);
      const above = await readAll(bound, null);
      const both = [...below, ...above].map((raw) => keyOf(raw).toString('hex'));
      expect(both, `cut at ${bound.toString('hex')}`).toEqual(whole);
    }
  });

  it('reads back keys of every type, and only those that are there', async () => {
    const keys = [...documents.map(({ _id }) => rawOf({ _id })), rawOf({ _id: 'not there' })];
    const found: string[] = [];
    for await (const batch of readBack(source, ODD, keys, 0n)) {
      found.push(...batch.documents.map((raw) => comparableKey(keyOf(raw)).toString('hex')));
    }
    // One that no command can name is looked for by a walk.
    const unnamed = rawOf({ _id: '~' });
    unnamed[unnamed.indexOf('~')] = 0xff;
    for await (const batch of readBack(source, ODD, [unnamed], 0n)) {
      expect(batch.documents).toEqual([]);
    }
    const wanted = documents.map(({ _id }) => comparableKey(rawOf({ _id })).toString('hex'));
    expect(found.toSorted()).toEqual(wanted.toSorted());
  });

  it('reads back keys of more bytes than one command may have', async () => {
    const large = { db: 'large', coll: 'keys' };
    const ids = [0, 1, 2].map((n) => `${n}`.repeat(6_000_000));
    const stored = mongodb.client().db(large.db).collection<{ _id: string }>(large.coll);
    for (const _id of ids) await stored.insertOne({ _id });
    const keys = ids.map((_id) => rawOf({ _id }));
    const found: Buffer[] = [];
    for await (const batch of readBack(source, large, keys, 0n)) found.push(...batch.documents);
    expect(found.map((document) => keys.findIndex((key) => key.equals(document)))).toEqual([
      0, 1, 2,
    ]);
    await stored.drop();
  });
});

describe('the change stream', () => {
  it('D1: names each change with its raw key, and goes on behind a token', async () => {
    const collection = mongodb
      .client()
      .db('stream')
      .collection<{ _id: unknown; big?: string }>('a');
    await using stream = await openChangeStream(source, { at: 'now' });
    await collection.insertOne({ _id: new BSON.Double(1), big: 'x'.repeat(1000) });
    await collection.deleteOne({ _id: new BSON.Double(1) });
    const { first } = stream;
    let batch = first;
    const events = [];
    while (events.filter(({ type }) => type !== 'create').length < 2) {
      batch = await stream.next(1000);
      events.push(...batch.events);
    }
    const changes = events.filter(({ type }) => type !== 'create');
    expect(changes.map(({ type }) => type)).toEqual(['insert', 'delete']);
    expect(changes[0]?.documentKey).toEqual(rawOf({ _id: new BSON.Double(1) }));
    expect(changes[0]?.namespace).toEqual({ db: 'stream', coll: 'a' });

    await using again = await openChangeStream(source, {
      at: 'token',
      token: changes[0]?.token ?? Buffer.alloc(0),
      position: first.position,
    });
    const rest = [...again.first.events];
    while (rest.length === 0) rest.push(...(await again.next(1000)).events);
    expect(rest[0]?.type).toBe('delete');
  });

  it('D7: has passed nothing when it was opened again and no event was behind the token', async ({
    skip,
  }) => {
    if (!mongodb.capabilities.control) skip('needs a source that this test started');
    const at = (time: bigint, n: string): Document => ({
      _data: Buffer.from(BSON.serialize({ t: new BSON.Timestamp(time), n })).toString('hex'),
    });
    const start = rawOf(at(5n << 32n, 'stream.a'));
    // Made while it was opened, as SecantusDB makes it: a write of an earlier time may not be seen yet.
    const cursor = {
      id: BSON.Long.fromNumber(7),
      ns: 'admin.$cmd.aggregate',
      firstBatch: [],
      postBatchResumeToken: at(9n << 32n, 'admin.$cmd.aggregate'),
    };
    await using proxy = await startAnsweringProxy(portOf(mongodb.uri), { aggregate: { cursor } });
    await using direct = await connectSource(throughProxy(mongodb.uri, proxy));
    const position = { time: 5n << 32n, through: false };
    await using stream = await openChangeStream(direct, { at: 'token', token: start, position });
    expect(stream.first).toEqual({ events: [], token: start, position });
  });

  it('D7: passes the time of every read, also when nothing happens', async () => {
    await using stream = await openChangeStream(source, { at: 'now' });
    const time = await linearizableTime(source);
    let { position } = stream.first;
    while (!(time < position.time || (time === position.time && position.through))) {
      ({ position } = await stream.next(50));
    }
    expect(position.time).toBeGreaterThanOrEqual(time);
  });
});

describe('listing', () => {
  it('shows collections and views with exact options and indexes', async () => {
    const db = mongodb.client().db('listing');
    await db.createCollection('plain', { validator: { a: { $gt: new BSON.Double(1) } } });
    await db.collection('plain').createIndex({ a: 1, b: -1 }, { unique: true, sparse: true });
    await db.createCollection('seen', { viewOn: 'plain', pipeline: [{ $match: { a: 1 } }] });
    await db.createCollection('round', { capped: true, size: 4096 });
    const { namespaces } = await listSource(source, 0n);
    const found = new Map(
      namespaces.flatMap((one) =>
        one.namespace.db === 'listing' ? [[one.namespace.coll, one]] : [],
      ),
    );
    expect([...found.keys()].toSorted()).toEqual(['plain', 'round', 'seen']);
    expect(found.get('plain')).toMatchObject({
      type: 'collection',
      unsupported: null,
      options: { validator: new Map([['a', new Map([['$gt', new BSON.Double(1)]])]]) },
      indexes: [{ name: 'a_1_b_-1', unique: true, sparse: true }],
    });
    expect(found.get('seen')).toMatchObject({ type: 'view', options: { viewOn: 'plain' } });
    expect(found.get('round')).toMatchObject({ unsupported: null, options: { capped: true } });
    const names = ['none', 'seen', 'plain'].map((coll) => ({ db: 'listing', coll }));
    const named = (await listNamed(source, names, 0n)).namespaces;
    expect(named.map(({ namespace }) => namespace.coll).toSorted()).toEqual(['plain', 'seen']);
    expect(named).toContainEqual(found.get('plain'));
    const none = Array.from({ length: MOST_NAMES }, (_, n) => ({ db: 'listing', coll: `no${n}` }));
    const ofMany = (await listNamed(source, [...names, ...none], 0n)).namespaces;
    expect(ofMany).toEqual(named);
  });

  it('keeps the order and the types of an index whose names are whole numbers', async () => {
    const collection = mongodb.client().db('ordered').collection('a');
    const key = new Map<string, unknown>([
      ['z', new BSON.Int32(1)],
      ['5', new BSON.Double(-1)],
    ]);
    await collection.createIndex(key as never, { name: 'odd' });
    const [found] = (await listNamed(source, [{ db: 'ordered', coll: 'a' }], 0n)).namespaces;
    expect(found?.unsupported).toBeNull();
    expect(BSON.serialize({ key: found?.indexes[0]?.['key'] })).toEqual(BSON.serialize({ key }));
    await collection.drop();
  });
});

describe('identity', () => {
  it('D1: tells a deployment from another one', async () => {
    const { identity, topology } = await describeSource(source);
    expect(topology).toBe('replicaSet');
    expect(isSameSource(identity, identity)).toBe(true);
    expect(isSameSource('replicaSet:a:', 'replicaSet:b:')).toBe(false);
    expect(isSameSource('replicaSet:a:1', 'replicaSet:a:2')).toBe(false);
    expect(isSameSource('replicaSet:a:1', 'replicaSet:a:')).toBe(true);
  });

  it('describes the deployment for the list of available projects', async () => {
    expect(await describeDeployment('src', mongodb.uri)).toMatchObject({
      name: 'src',
      sharded: false,
      tlsEnabled: false,
    });
  });
});
