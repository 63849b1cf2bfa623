import { Double, Int32 } from 'bson';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { compareClusters } from '../src/compare.ts';
import { startMongoDB, type MongoDB } from '../src/mongodb.ts';
import { oddDocuments, rawOf } from '../src/values.ts';

let source: MongoDB;
let destination: MongoDB;

beforeAll(async () => {
  [source, destination] = await Promise.all([
    startMongoDB({ name: 'source' }),
    startMongoDB({ name: 'destination' }),
  ]);
});

afterAll(async () => {
  await source?.stop();
  await destination?.stop();
});

test('odd documents come back from a server byte for byte, and equal sides have no difference', async () => {
  for (const side of [source, destination]) {
    const collection = side.client().db('odd').collection('documents');
    await collection.insertMany(oddDocuments(), { forceServerObjectId: true });
    await collection.createIndex({ index: -1 }, { unique: true, name: 'by index' });
    await side.client().db('odd').createCollection('view', { viewOn: 'documents', pipeline: [] });
  }
  const validator = { n: { $exists: true } };
  const inWords = { validationLevel: 'strict', validationAction: 'error' };
  await source
    .client()
    .db('odd')
    .createCollection('checked', { validator, ...inWords });
  await destination.client().db('odd').createCollection('checked', { validator });
  const found = source.client().db('odd').collection('documents').find({}, { raw: true });
  const stored = (await found.toArray()).map((raw) => (raw as unknown as Buffer).toString('hex'));
  const expected = oddDocuments().map((document) => rawOf(document).toString('hex'));
  expect(stored.toSorted().join() === expected.toSorted().join()).toBe(true);
  expect(await compareClusters(source.uri, destination.uri)).toMatchObject({
    differences: [],
    collections: 2,
    documents: oddDocuments().length,
  });
});

test('every kind of difference is named', async () => {
  const [a, b] = [source.client().db('differ'), destination.client().db('differ')];
  await a
    .collection('things')
    .insertMany([{ _id: new Int32(1) as never, x: new Int32(1) }, { _id: new Int32(2) as never }]);
  await b
    .collection('things')
    .insertMany([{ _id: new Int32(1) as never, x: new Double(1) }, { _id: new Int32(3) as never }]);
  await a.collection('things').createIndex({ x: 1 });
  for (const [side, names] of [
    [a, ['z', '5']],
    [b, ['5', 'z']],
  ] as const) {
    const key = new Map(names.map((name) => [name, new Int32(1)]));
    await side.command({ createIndexes: 'keyed', indexes: [{ key, name: 'keyed' }] });
    await side.createCollection('round', { capped: true, size: 4096 });
    await side.collection('round').insertMany(names.map((_id) => ({ _id: _id as never })));
  }
  await a.createCollection('here', {});
  await a.createCollection('checked', { validator: { x: { $gt: 1 } } });
  await b.createCollection('checked', {});
  const { differences } = await compareClusters(source.uri, destination.uri);
  const ends = ['here is at the source only', 'checked options', 'things index x_1', 'differs'];
  ends.push('keyed index keyed', 'round: the natural order differs');
  ends.push('{"_id":{"$numberInt":"3"}} is at the destination only');
  ends.push('{"_id":{"$numberInt":"2"}} is at the source only');
  for (const end of ends) expect(differences).toContainEqual(expect.stringContaining(end));
  expect(differences.filter((each) => !ends.some((end) => each.includes(end)))).toEqual([]);
});
