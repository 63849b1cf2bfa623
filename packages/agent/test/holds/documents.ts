import { oddDocuments, oddIds, rawOf } from '@linkspan/testkit/values.ts';
import {
  Binary,
  type ClientSession,
  type Db,
  Double,
  Int32,
  type Document,
  type UpdateFilter,
} from 'mongodb';
import { expect } from 'vitest';
import { type Holding, numbers, type Numbered, type Place, refusalOf } from './holding.ts';

const LARGEST = 16 * 1024 * 1024;

/** A document of exactly that many bytes. */
function documentOf(bytes: number, fields: Document): Document {
  const rest = bytes - rawOf({ ...fields, filler: '' }).length;
  return { ...fields, filler: 'x'.repeat(rest) };
}

/** Where NaN stands among the odd keys: SecantusDB finds none by it to change or delete. */
const NAN_INDEX = oddIds().findIndex((_id) => _id instanceof Double && Number.isNaN(_id.value));
const OTHER_IDS = oddIds().toSpliced(NAN_INDEX, 1);

/** SecantusDB refuses to change some of them, as if their _id were changed. */
async function change(db: Db, from: number, to: number, when: string): Promise<void> {
  for (const _id of OTHER_IDS.slice(from, to)) {
    const update = { $set: { changed: when } };
    await refusalOf(db.collection('odd').updateOne({ _id: { $eq: _id } } as Document, update));
  }
}

/** Every update operator, and pipelines; each on a document of its own. */
const UPDATES: readonly (Document | Document[])[] = [
  { $set: { 'new.b': 1, a: 2, 'list.5': 'far' } },
  { $set: { 'sub.9': 1, 'sub.10': 2, 'sub.z': 3 } },
  { $unset: { a: '', 'sub.z': '' } },
  { $rename: { a: 'renamed', n: 'number' } },
  { $inc: { n: 5 }, $mul: { a: 1.5 } },
  { $min: { n: -1 }, $max: { a: 1000 } },
  { $currentDate: { at: true, ts: { $type: 'timestamp' } } },
  { $bit: { flags: { or: new Int32(5) } } },
  { $push: { list: { $each: [9, 8, 7], $slice: -2, $sort: 1 } } },
  { $push: { list: { $each: [0], $position: 0 } } },
  { $addToSet: { list: { $each: [1, 100] } } },
  { $pop: { list: -1 } },
  { $pull: { list: { $gte: 2 } } },
  { $pullAll: { list: [1, 3] } },
  { $set: { list: [] } },
  { $setOnInsert: { never: true }, $set: { last: 1 } },
  [{ $set: { total: { $sum: '$list' }, n: '$$REMOVE' } }, { $unset: 'a' }],
  [{ $replaceWith: { _id: '$_id', b: '$n', a: '$list' } }],
  [{ $replaceWith: { $setField: { field: 'dotted.name', input: '$$ROOT', value: 1 } } }],
  [{ $replaceWith: { $setField: { field: { $literal: '$dollar' }, input: '$$ROOT', value: 1 } } }],
];

const updated = (_id: number): Numbered => ({
  _id,
  z: 1,
  n: _id,
  a: 10,
  flags: new Int32(2),
  list: [1, 2, 3],
  sub: { z: 1, y: [{ k: 1 }, { k: 2 }] },
});

async function updateAll({ db }: Place, from: number): Promise<void> {
  const documents = db.collection<Numbered>('updated');
  for (const [index, update] of UPDATES.entries()) {
    await documents.updateOne({ _id: from + index }, update as UpdateFilter<Numbered>);
  }
  const last = { _id: from + UPDATES.length };
  await documents.updateOne(last, { $set: { 'sub.y.$[each].k': 7 } } as UpdateFilter<Numbered>, {
    arrayFilters: [{ 'each.k': 2 }],
  });
  await documents.updateOne({ ...last, list: 2 }, { $set: { 'list.$': 'second' } });
  await documents.updateOne(last, { $inc: { 'list.$[]': 1 } } as UpdateFilter<Numbered>).catch(
    // A string is not a number; the server says so, and nothing changes.
    () => undefined,
  );
}

export const DOCUMENTS: readonly Holding[] = [
  {
    name: 'Hazard 4: an _id of every type in one collection, and values of every type',
    db: 'odd',
    async fill({ db }) {
      const odd = db.collection('odd');
      await odd.insertMany(oddDocuments(), { forceServerObjectId: true });
      await db.collection('again').insertMany(oddDocuments(), { forceServerObjectId: true });
    },
    async during({ db }) {
      await change(db, 0, 14, 'while copied');
    },
    async after({ db }) {
      const odd = db.collection('odd');
      await change(db, 8, 24, 'later');
      for (const _id of OTHER_IDS.slice(24)) await odd.deleteOne({ _id: { $eq: _id } } as Document);
      await db.collection('again').deleteMany({ index: { $ne: NAN_INDEX } });
    },
    async check({ db }) {
      const changed = await db.collection('odd').countDocuments({ changed: { $exists: true } });
      expect(changed).toBeGreaterThan(20);
    },
  },
  {
    name: 'D15, Hazard 4: an _id that is equal but not the same, by delete and insert',
    db: 'equalKeys',
    async fill({ db }) {
      await db.collection<Numbered>('numbers').insertMany(numbers(0, 100));
      await db.createCollection('words', { collation: { locale: 'en', strength: 2 } });
      const words = ['alpha', 'beta', 'gamma', 'delta'].map((_id) => ({ _id: _id as never, n: 1 }));
      await db.collection('words').insertMany(words);
    },
    async during({ db }) {
      const doubles = db.collection('numbers');
      await doubles.deleteOne({ _id: 1 as never });
      await doubles.insertOne({ _id: new Double(1) as never, n: 'a double' });
      await doubles.deleteOne({ _id: 0 as never });
      await doubles.insertOne({ _id: new Double(-0) as never, n: 'below zero' });
      await db.collection('words').deleteOne({ _id: 'alpha' as never });
      await db.collection('words').insertOne({ _id: 'ALPHA' as never, n: 2 });
    },
    async after({ db }) {
      for (const _id of [2, 3, 1]) {
        await db.collection('numbers').deleteOne({ _id: _id as never });
        await db.collection('numbers').insertOne({ _id: new Double(_id) as never, n: 'later' });
      }
      const words = db.collection('words');
      await words.deleteOne({ _id: 'beta' as never });
      await words.insertOne({ _id: 'Beta' as never, n: 2 });
      await words.deleteOne({ _id: 'gamma' as never });
      await words.deleteOne({ _id: 'alpha' as never });
      await words.insertOne({ _id: 'Alpha' as never, n: 3 });
      await words.updateOne({ _id: 'delta' as never }, { $set: { n: 4 } });
    },
  },
  {
    name: 'Hazard 3: every update operator and pipeline, odd field names, arrays cut short, orders of fields',
    db: 'updates',
    async fill({ db }) {
      const ids = Array.from({ length: 200 }, (_, index) => index);
      await db.collection<Numbered>('updated').insertMany(ids.map(updated));
      const odd = { 'a.b': 1, $dollar: 2, '': 3, '10': 4, '2': 5, nested: { $set: { 'x.y': 1 } } };
      const names = ids.slice(0, 20).map((_id) => new Map(Object.entries({ _id, ...odd })));
      await db.collection('names').insertMany(names as never[]);
    },
    async during(place) {
      await updateAll(place, 0);
    },
    async after(place) {
      await updateAll(place, 50);
      const names = place.db.collection<Numbered>('names');
      await names.updateMany({ _id: { $lt: 5 } }, { $set: { later: 1 } });
      await names.replaceOne({ _id: 7 }, { 'c.d': 1, '': 2 });
      await names.deleteOne({ _id: 8 });
    },
    async check({ db }) {
      const cut = await db.collection<Numbered>('updated').findOne({ _id: 64 });
      expect(cut?.['list']).toEqual([]);
    },
  },
  {
    name: 'inserts, replacements, upserts, findAndModify and bulks',
    db: 'writes',
    async fill({ db }) {
      await db.collection<Numbered>('written').insertMany(numbers(0, 120));
    },
    async during({ db }) {
      const written = db.collection<Numbered>('written');
      await written.replaceOne({ _id: 1 }, { replaced: true });
      await written.findOneAndDelete({ _id: 2 });
      await written.findOneAndReplace({ _id: 3 }, { swapped: true });
    },
    async after({ db }) {
      const written = db.collection<Numbered>('written');
      await written.updateOne({ _id: 500 }, { $set: { made: 'by upsert' } }, { upsert: true });
      await written.replaceOne({ _id: 501 }, { made: 'by replacement' }, { upsert: true });
      await written.findOneAndUpdate({ _id: 10 }, { $inc: { n: 1 } });
      await written.findOneAndUpdate({ _id: 502 }, { $set: { n: 1 } }, { upsert: true });
      await written.bulkWrite([
        { insertOne: { document: { _id: 600 } } },
        { updateOne: { filter: { _id: 600 }, update: { $set: { n: 1 } } } },
        { deleteOne: { filter: { _id: 600 } } },
        { insertOne: { document: { _id: 601, n: 1 } } },
        { deleteMany: { filter: { n: { $gte: 30, $lt: 60 } } } },
      ]);
    },
  },
  {
    name: 'Hazard 1: what happens to documents between their read and their push',
    db: 'overlap',
    async fill({ db }) {
      await db.collection<Numbered>('read').insertMany(numbers(0, 150));
    },
    async during({ db }) {
      const read = db.collection<Numbered>('read');
      await read.deleteMany({ _id: { $lt: 10 } });
      await read.insertOne({ _id: 5, n: 'again' });
      await read.updateMany({ _id: { $gte: 10, $lt: 30 } }, { $set: { n: 'newer' } });
      await read.deleteMany({ _id: { $gte: 140 } });
    },
    async check({ db }) {
      expect(await db.collection('read').countDocuments()).toBe(131);
    },
  },
  {
    name: 'documents of 16 MiB, and ones that cannot be a replacement',
    db: 'large',
    async fill({ db }) {
      await db.collection('large').insertOne(documentOf(LARGEST, { _id: 1 }));
      await db.collection('large').insertOne(documentOf(LARGEST, { _id: 2, $dollar: 1 }));
    },
    async after({ db }) {
      const large = db.collection<Numbered>('large');
      await large.updateMany({}, { $set: { filler: 'y' } });
      const { _id, ...replacement } = documentOf(LARGEST, { _id: 1, binary: new Binary() });
      await large.replaceOne({ _id: Number(_id) }, replacement);
      await large.deleteOne({ _id: 2 });
      await large.insertOne(documentOf(LARGEST, { _id: 2, $dollar: 2 }) as Numbered);
    },
  },
  {
    name: 'transactions that are committed and aborted',
    db: 'transactions',
    async fill({ db }) {
      await db.collection<Numbered>('accounts').insertMany(numbers(0, 100));
      await db.collection('moves').insertOne({});
    },
    async during(place) {
      await transfer(place, 1, 2, 'commit');
      await transfer(place, 3, 4, 'abort');
    },
    async after(place) {
      for (let n = 10; n < 20; n += 2)
        await transfer(place, n, n + 1, n % 4 === 0 ? 'commit' : 'abort');
    },
    async check({ db }) {
      expect(await db.collection('moves').countDocuments()).toBe(4);
    },
  },
  {
    name: 'Hazard 1: transactions that are open when tracking begins, and in the middle of the copy',
    db: 'longTransactions',
    async fill(place) {
      await place.db.collection<Numbered>('long').insertMany(numbers(0, 100));
      await begin(place, 'before tracking', 10);
    },
    async during(place) {
      await begin(place, 'while copied', 20);
      await place.db.collection<Numbered>('long').updateOne({ _id: 30 }, { $set: { by: 'none' } });
    },
    async after() {
      await commit('while copied');
      await commit('before tracking');
    },
    async check({ db }) {
      const ends = { by: { $in: ['before tracking', 'while copied'] } };
      expect(await db.collection('long').countDocuments(ends)).toBe(4);
    },
  },
];

/** One that was begun in an earlier step, by what ends it. */
const open = new Map<string, ClientSession>();

async function begin({ client, db }: Place, name: string, n: number): Promise<void> {
  const session = client.startSession();
  open.set(name, session);
  session.startTransaction();
  const long = db.collection<Numbered>('long');
  await long.insertOne({ _id: 1000 + n, by: name }, { session });
  await long.updateOne({ _id: n }, { $set: { by: name } }, { session });
  await long.deleteOne({ _id: n + 1 }, { session });
}

async function commit(name: string): Promise<void> {
  const session = open.get(name);
  await session?.commitTransaction();
  await session?.endSession();
}

async function transfer(
  { client, db }: Place,
  from: number,
  to: number,
  end: 'commit' | 'abort',
): Promise<void> {
  const session = client.startSession();
  try {
    session.startTransaction();
    const accounts = db.collection<Numbered>('accounts');
    await accounts.updateOne({ _id: from }, { $inc: { n: -1 } }, { session });
    await accounts.updateOne({ _id: to }, { $inc: { n: 1 } }, { session });
    await db.collection('moves').insertOne({ from, to }, { session });
    await (end === 'commit' ? session.commitTransaction() : session.abortTransaction());
  } finally {
    await session.endSession();
  }
}
