import type { IndexDescription } from 'mongodb';
import type { Random } from '../random.ts';
import { type Feature, key, type Operation } from './feature.ts';
import { anyCollection, anyDatabase } from './names.ts';

const DAY = 86_400;

const INDEXES: readonly IndexDescription[] = [
  { key: { n: 1 }, name: 'n' },
  { key: { n: 1, 'nested.deep.at': -1 }, name: 'compound' },
  { key: { list: 1 }, name: 'multikey' },
  { key: { sparse: 1 }, name: 'sparse', sparse: true },
  { key: { n: -1 }, name: 'partial', partialFilterExpression: { n: { $gt: 100 } } },
  { key: { text: 1 }, name: 'hidden', hidden: true },
  { key: { text: 1 }, name: 'collated', collation: { locale: 'de', strength: 2 } },
  { key: { touched: 1 }, name: 'ttl', expireAfterSeconds: 365 * DAY },
  { key: { '$**': 1 }, name: 'wildcard' },
  { key: { where: '2dsphere' }, name: 'sphere' },
  { key: { flat: '2d' }, name: 'plane' },
  { key: { badge: 1 }, name: 'unique', unique: true, sparse: true },
];

/** Few collections, so that what is dropped is often there. */
const anyIndexed = (random: Random): string =>
  random.chance(0.7) ? random.pick(['orders', 'users']) : anyCollection(random);

const OPERATIONS: readonly Operation[] = [
  {
    kind: 'create index',
    weight: 3,
    run: (source, random) =>
      source
        .collection(anyDatabase(random), anyIndexed(random))
        .createIndexes([random.pick(INDEXES)]),
  },
  {
    kind: 'drop index',
    weight: 2,
    run: (source, random) =>
      source
        .collection(anyDatabase(random), anyIndexed(random))
        .dropIndex(random.pick(INDEXES).name ?? ''),
  },
  {
    kind: 'drop all indexes',
    weight: 0.5,
    run: (source, random) =>
      source.collection(anyDatabase(random), anyIndexed(random)).dropIndexes(),
  },
  {
    kind: 'change an index',
    weight: 1,
    run: (source, random) =>
      source.db(anyDatabase(random)).command({
        collMod: anyIndexed(random),
        index: random.chance(0.5)
          ? { name: 'n', hidden: random.chance(0.5) }
          : { name: 'ttl', expireAfterSeconds: random.between(100, 400) * DAY },
      }),
  },
  {
    kind: 'swap unique values',
    weight: 2,
    async run(source, random) {
      const collection = source.collection(anyDatabase(random), 'users');
      const [a, b] = [random.between(0, 49), random.between(50, 99)];
      await collection.updateOne({ _id: key(a) }, { $unset: { badge: '' } });
      await collection.updateOne({ _id: key(b) }, { $set: { badge: a } });
      await collection.updateOne({ _id: key(a) }, { $set: { badge: b } });
    },
  },
];

/** Every kind of index that a server has, built and dropped while documents change (hazards 5 and 6). */
export const indexes: Feature = { name: 'indexes', operations: OPERATIONS };
