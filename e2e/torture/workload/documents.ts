import { oddValues } from '@linkspan/testkit/values.ts';
import { type Document, Double, Int32, Long, type UpdateFilter } from 'mongodb';
import type { Random } from '../random.ts';
import { DURABLE, type Feature, key, type Operation, type Source } from './feature.ts';
import { anyCollection, anyDatabase, COLLECTIONS, DATABASES, PASSING_DATABASE } from './names.ts';

const IDS = 400;
const VALUES = [...oddValues().entries()];
const TEXT = 'The ship rolls her cargo over the linkspan at high water. '.repeat(4);

function anyId(random: Random): never {
  return key(random.between(0, IDS - 1));
}

export function document(_id: unknown, random: Random): Document {
  const [name, value] = random.pick(VALUES);
  return {
    _id,
    n: new Int32(random.between(0, 1000)),
    text: TEXT.slice(0, random.between(0, TEXT.length)),
    list: Array.from({ length: random.between(0, 6) }, (_, index) => index),
    nested: { deep: { at: random.between(0, 9) } },
    [name]: value,
  };
}

const any = (source: Source, random: Random) =>
  source.collection(anyDatabase(random), anyCollection(random));

/** One of each update operator, and what changes the order, the type or the length of fields. */
const UPDATES: readonly ((random: Random) => Document)[] = [
  (random: Random) => ({ $set: { [`f${random.between(0, 5)}`]: random.between(0, 1000) } }),
  () => ({ $unset: { text: '' } }),
  () => ({ $inc: { n: new Int32(1) } }),
  () => ({ $mul: { n: new Double(1.5) } }),
  () => ({ $rename: { text: 'renamed' } }),
  (random: Random) => ({ $min: { n: random.between(-5, 5) } }),
  (random: Random) => ({ $max: { n: Long.fromNumber(random.between(900, 2000)) } }),
  (random: Random) => ({ $push: { list: random.between(0, 9) } }),
  () => ({ $push: { list: { $each: [3, 1, 2], $sort: 1, $slice: 4 } } }),
  () => ({ $pop: { list: 1 } }),
  (random: Random) => ({ $addToSet: { list: random.between(0, 3) } }),
  () => ({ $pull: { list: { $gt: 4 } } }),
  () => ({ $set: { 'nested.deep.at': 'text now', 'list.1': null } }),
  () => ({ $currentDate: { touched: true } }),
  () => ({ $setOnInsert: { born: 1 }, $set: { seen: true } }),
];

const anyUpdate = (random: Random): UpdateFilter<Document> => random.pick(UPDATES)(random);

const PIPELINES = [
  [{ $set: { n: { $add: [{ $ifNull: ['$n', 0] }, 1] }, copied: '$nested' } }],
  [{ $unset: ['list', 'renamed'] }, { $set: { list: [1, 2, 3] } }],
  [{ $replaceWith: { _id: '$_id', whole: '$$ROOT' } }],
] as const;

const OPERATIONS: readonly Operation[] = [
  {
    kind: 'insert',
    weight: 10,
    run: (source, random) => any(source, random).insertOne(document(anyId(random), random)),
  },
  {
    kind: 'insert many',
    weight: 4,
    run(source, random) {
      const first = random.between(1000, 100_000);
      const documents = Array.from({ length: random.between(2, 30) }, (_, index) =>
        document(first + index, random),
      );
      return any(source, random).insertMany(documents, { ordered: false, ...DURABLE });
    },
  },
  {
    kind: 'update',
    weight: 20,
    run: (source, random) =>
      any(source, random).updateOne({ _id: anyId(random) }, anyUpdate(random)),
  },
  {
    kind: 'update many',
    weight: 4,
    run: (source, random) =>
      any(source, random).updateMany({ n: { $lt: random.between(0, 60) } }, anyUpdate(random)),
  },
  {
    kind: 'update by pipeline',
    weight: 5,
    run: (source, random) =>
      any(source, random).updateOne({ _id: anyId(random) }, [...random.pick(PIPELINES)]),
  },
  {
    kind: 'update through array filters',
    weight: 2,
    run: (source, random) =>
      any(source, random).updateOne(
        { _id: anyId(random) },
        { $set: { 'list.$[big]': -1 } },
        { arrayFilters: [{ big: { $gt: 2 } }] },
      ),
  },
  {
    kind: 'replace',
    weight: 8,
    run(source, random) {
      const _id = anyId(random);
      const { _id: _, ...rest } = document(_id, random);
      return any(source, random).replaceOne({ _id }, rest);
    },
  },
  {
    kind: 'upsert',
    weight: 6,
    run: (source, random) =>
      any(source, random).updateOne({ _id: anyId(random) }, anyUpdate(random), {
        upsert: true,
      }),
  },
  {
    kind: 'delete',
    weight: 10,
    run: (source, random) => any(source, random).deleteOne({ _id: anyId(random) }),
  },
  {
    kind: 'delete many',
    weight: 2,
    run(source, random) {
      const from = random.between(1000, 100_000);
      return any(source, random).deleteMany({ _id: key({ $gte: from, $lt: from + 5000 }) });
    },
  },
  {
    kind: 'find and modify',
    weight: 3,
    run: (source, random) =>
      any(source, random).findOneAndUpdate({ _id: anyId(random) }, anyUpdate(random)),
  },
  {
    kind: 'hot document',
    weight: 3,
    async run(source, random) {
      const hot = source.collection('app', 'orders');
      for (let time = 0; time < 10; time += 1) {
        await hot.updateOne({ _id: key(0) }, { $inc: { n: 1 } }, { upsert: true });
        if (random.chance(0.1)) await hot.deleteOne({ _id: key(0) });
      }
    },
  },
  {
    kind: 'delete and insert again',
    weight: 3,
    async run(source, random) {
      const collection = any(source, random);
      const _id = anyId(random);
      await collection.deleteOne({ _id });
      await collection.insertOne(document(_id, random));
    },
  },
  {
    kind: '$out',
    weight: 1,
    run: (source, random) =>
      any(source, random)
        .aggregate([{ $match: { n: { $lt: 300 } } }, { $out: 'written out' }], DURABLE)
        .toArray(),
  },
  {
    kind: '$merge',
    weight: 1,
    run: (source, random) =>
      any(source, random)
        .aggregate([{ $match: { n: { $lt: 50 } } }, { $merge: { into: 'merged' } }], DURABLE)
        .toArray(),
  },
];

/** Plain documents: every way to write one. */
export const documents: Feature = {
  name: 'documents',
  async prepare(source, random) {
    for (const db of [...DATABASES, PASSING_DATABASE]) {
      for (const coll of COLLECTIONS) {
        const count = random.between(50, IDS);
        const rows = Array.from({ length: count }, (_, _id) => document(_id, random));
        await source.collection(db, coll).insertMany(rows, DURABLE);
      }
    }
  },
  operations: OPERATIONS,
};
