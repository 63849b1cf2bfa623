import {
  BSON,
  Binary,
  Decimal128,
  Double,
  Int32,
  Long,
  MaxKey,
  MinKey,
  ObjectId,
  Timestamp,
  type Document,
} from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { failCommands, type FailCommand } from '@linkspan/testkit/failPoints.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';

import { Destination } from '../../src/destination/destination.ts';
import {
  DestinationRefusedError,
  DestinationUnavailableError,
} from '../../src/destination/errors.ts';
import { writeBatch, type BatchResult } from '../../src/destination/writer.ts';

let mongo: MongoDB;
let destination: Destination;

beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
  destination = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-writer',
    mayConnect: () => true,
    guard: (send) => send(),
  });
});
afterAll(async () => {
  await destination?.close();
  await mongo?.stop();
});
beforeEach(async () => {
  await mongo.client().db('w').dropDatabase();
});

const raw = (document: Document): Buffer => Buffer.from(BSON.serialize(document));

function write(
  op: 'insert' | 'replace' | 'recreate' | 'delete',
  documents: readonly Buffer[],
): Promise<BatchResult> {
  return writeBatch(destination, { op, db: 'w', coll: 'c', documents });
}

async function stored(): Promise<Buffer[]> {
  const documents = await mongo
    .client()
    .db('w')
    .collection('c')
    .find({}, { raw: true, sort: { _id: 1 } })
    .toArray();
  return documents.map((document) => Buffer.from(document as unknown as Uint8Array));
}

const EMPTY = new Timestamp({ t: 0, i: 0 });
const odd: Buffer[] = [
  raw({ _id: new Int32(1), d: new Double(1), i: new Int32(1), l: Long.fromNumber(1) }),
  raw({ _id: new Int32(2), dec: Decimal128.fromString('1.10'), nan: new Double(Number.NaN) }),
  raw({
    _id: new Int32(3),
    z: 1,
    a: { b: 1, a: [new MinKey(), new MaxKey()] },
    date: new Date(-1),
  }),
  raw({
    _id: new Int32(4),
    b: new Binary(Buffer.from('x'), 0x80),
    u: new Binary(Buffer.alloc(16), 4),
  }),
  raw({
    _id: new Int32(5),
    r: new BSON.BSONRegExp('^a', 'im'),
    code: new BSON.Code('x', { a: 1 }),
  }),
  raw({ _id: new Int32(6), 'a.b': 1, n: { $x: 1, 'c.d': { $y: 2 } } }),
  raw({ _id: new Int32(7), $top: 1, $set: { a: 1 } }),
  raw({ _id: new Int32(8), empty: EMPTY, full: new Timestamp({ t: 1, i: 2 }) }),
  raw({ _id: new Int32(9), n: null, o: new ObjectId('0'.repeat(24)) }),
];

test('D15: every type arrives byte for byte by insert, replace and recreate', async () => {
  expect(await write('insert', odd)).toEqual({ written: 9, duplicates: 0, failures: [] });
  expect(await stored()).toEqual(odd);

  const others = odd.map((_, index) => raw({ _id: new Int32(index + 1), other: 1 }));
  expect(await write('replace', others)).toMatchObject({ written: 9, failures: [] });
  expect(await stored()).toEqual(others);
  expect(await write('replace', odd)).toMatchObject({ written: 9, failures: [] });
  expect(await stored()).toEqual(odd);
  expect(await write('recreate', odd.toReversed())).toMatchObject({ written: 9, failures: [] });
  expect(await stored()).toEqual(odd);

  await mongo.client().db('w').collection('c').deleteMany({});
  expect(await write('replace', odd)).toMatchObject({ written: 9, failures: [] });
  expect(await stored()).toEqual(odd);
});

test('D10: an insert leaves alone what is there, an empty timestamp included', async () => {
  await write('insert', odd);
  const others = odd.map((_, index) => raw({ _id: new Int32(index + 1), other: EMPTY }));
  expect(await write('insert', [...others, raw({ _id: new Int32(10) })])).toEqual({
    written: 10,
    duplicates: 9,
    failures: [],
  });
  expect((await stored()).slice(0, 9)).toEqual(odd);
});

test('D10: a duplicate in another index is a failure that names it, and no value', async () => {
  await mongo.client().db('w').createIndex('c', { email: 1 }, { unique: true, name: 'by email' });
  const documents = [1, 2, 3].map((_id) => raw({ _id, email: _id === 3 ? 'e3' : 'secret@e' }));
  const result = await write('insert', documents);
  expect(result).toMatchObject({ written: 2, duplicates: 0 });
  expect(result.failures).toEqual([
    {
      index: 1,
      code: 11000,
      message: expect.stringContaining('"by email" {"email":1}'),
      holder: raw({ _id: 1 }),
    },
  ]);
  expect(JSON.stringify(result)).not.toContain('secret@e');
  expect((await write('replace', documents)).failures).toMatchObject([{ index: 1, code: 11000 }]);
  expect((await write('recreate', documents)).failures).toMatchObject([{ index: 1, code: 11000 }]);
});

test('D15: a recreated document has the _id as it is written at the source', async () => {
  await write('insert', [raw({ _id: new Int32(1), a: 1 })]);
  await write('recreate', [raw({ _id: new Double(1), a: 2 })]);
  expect(await stored()).toEqual([raw({ _id: new Double(1), a: 2 })]);
});

test('D15: a document too large for a statement is replaced all the same', async () => {
  const large = (fill: string): Buffer => raw({ _id: 'x', s: fill.repeat(16 * 1024 * 1024 - 100) });
  expect(await write('replace', [large('a')])).toMatchObject({ written: 1, failures: [] });
  expect(await write('replace', [large('b')])).toMatchObject({ written: 1, failures: [] });
  expect((await stored())[0]?.equals(large('b'))).toBe(true);
});

test('deletes go by document key; what is not there is no error', async () => {
  await write('insert', odd);
  const keys = [1, 2, 99].map((id) => raw({ _id: new Int32(id) }));
  expect(await write('delete', keys)).toEqual({ written: 3, duplicates: 0, failures: [] });
  expect(await stored()).toEqual(odd.slice(2));
});

test('D10, Hazard 2: a write-concern error leaves the fate of the whole batch open', async (context) => {
  if (!mongo.capabilities.failCommand) context.skip('needs failCommand');
  await failNext({ failCommands: ['insert'], writeConcernError: { code: 64, errmsg: 'waiting' } });
  await expect(write('insert', odd)).rejects.toThrow(DestinationUnavailableError);
  await failNext({ failCommands: ['insert'], errorCode: 10107 });
  await expect(write('insert', odd)).rejects.toThrow(DestinationUnavailableError);
  expect(destination.hasUnanswered).toBe(false);
  await failNext({ failCommands: ['insert'], errorCode: 13 });
  await expect(write('insert', odd)).rejects.toThrow(DestinationRefusedError);
  expect(await write('insert', odd)).toMatchObject({ written: 9, failures: [] });
});

test('D10, Hazard 2: a duplicate and a write-concern error in one reply are both read', async (context) => {
  if (!mongo.capabilities.failCommand) context.skip('needs failCommand');
  await write('insert', odd.slice(0, 3));
  for (const op of ['insert', 'recreate'] as const) {
    await failNext({
      failCommands: ['insert'],
      writeConcernError: { code: 64, errmsg: 'waiting' },
    });
    await expect(write(op, odd)).rejects.toThrow(DestinationUnavailableError);
  }
  expect(await write('insert', odd)).toMatchObject({ written: 9, failures: [] });
  expect(await stored()).toEqual(odd);
});

test('C2: a cut connection is remembered: the write may be under way', async (context) => {
  if (!mongo.capabilities.failCommand) context.skip('needs failCommand');
  const other = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-cut',
    mayConnect: () => true,
    guard: (send) => send(),
  });
  await failNext({ failCommands: ['insert'], closeConnection: true });
  await expect(
    writeBatch(other, { op: 'insert', db: 'w', coll: 'c', documents: odd }),
  ).rejects.toThrow(/^cluster target: insert 8 documents, w\.c: /);
  expect(other.hasUnanswered).toBe(true);
  await other.close();
});

const failNext = (data: FailCommand): Promise<void> => failCommands(mongo, data, 1);
