import { Double, Int32, type Document, type IndexSpecification } from 'mongodb';
import { expect } from 'vitest';
import { type Holding, numbers, type Numbered, refusalOf } from './holding.ts';

const FRENCH = { locale: 'fr', strength: 1 };

/** Every kind of index with its options; text and hashed ones are by themselves. */
const KINDS: readonly (readonly [name: string, key: Document, options: Document])[] = [
  ['ascending', { a: 1 }, {}],
  ['compound', { a: 1, b: -1, 'c.d': new Double(1) }, {}],
  ['unique sparse', { u: 1, w: -1 }, { unique: true, sparse: true }],
  ['partial', { p: 1 }, { partialFilterExpression: { p: { $gt: 5 }, q: { $exists: true } } }],
  ['unique partial', { v: 1 }, { unique: true, partialFilterExpression: { v: { $type: 'int' } } }],
  ['hidden', { h: 1 }, { hidden: true }],
  ['TTL', { at: 1 }, { expireAfterSeconds: 3600 }],
  ['collated', { s: 1 }, { collation: FRENCH }],
  ['wildcard', { '$**': 1 }, { wildcardProjection: { a: 1, 'b.c': 1 } }],
  ['wildcard below', { 'w.$**': 1 }, {}],
  ['compound wildcard', { x: 1, 'y.$**': 1 }, {}],
  ['2d', { flat: '2d' }, { bits: 20, min: -200, max: 200 }],
  ['2dsphere', { round: '2dsphere' }, {}],
  ['2dsphere of version 2', { old: '2dsphere', a: 1 }, { '2dsphereIndexVersion': 2 }],
];

/** Kinds that not every server has. */
function rareIndex(kind: string, key: Document, options: Document = {}): Holding {
  const spec = { key, name: kind, ...options };
  return {
    name: `an index of the kind ${kind}`,
    db: `rare${kind}`,
    lacks: ({ db }) => refusalOf(db.command({ createIndexes: 'rare', indexes: [spec] })),
    async fill({ db }) {
      await db.collection<Numbered>('rare').insertMany(numbers(0, 20));
    },
    async after({ db }) {
      await db.command({ createIndexes: 'later', indexes: [spec] });
    },
  };
}

export const STRUCTURES: readonly Holding[] = [
  {
    name: 'indexes of every kind with their options; ones built, dropped and changed meanwhile',
    db: 'indexes',
    async fill({ db }) {
      await db.collection<Numbered>('kinds').insertMany(numbers(0, 60));
      for (const [name, key, options] of KINDS) {
        await db.command({ createIndexes: 'kinds', indexes: [{ key, name, ...options }] });
      }
      const key = new Map<string, unknown>([
        ['z', new Int32(1)],
        ['5', new Double(-1)],
      ]);
      await db.command({ createIndexes: 'kinds', indexes: [{ key, name: 'whole numbers' }] });
    },
    async during({ db }) {
      await db.collection('kinds').dropIndex('ascending');
      await db.collection('kinds').createIndex({ during: 1 });
      await db.command({ collMod: 'kinds', index: { name: 'hidden', hidden: false } });
    },
    async after({ db }) {
      const kinds = db.collection('kinds');
      await kinds.dropIndex('compound');
      await kinds.createIndex({ a: -1, b: 1 }, { name: 'compound' });
      await kinds.createIndexes([
        { key: { x: 1 } as IndexSpecification as never },
        { key: { y: 1 } },
      ]);
      await db.command({ collMod: 'kinds', index: { name: 'TTL', expireAfterSeconds: 7200 } });
      await db.command({ collMod: 'kinds', index: { name: 'collated', hidden: true } });
      await db.collection<Numbered>('all').insertMany(numbers(0, 5));
      await db.collection('all').createIndexes([{ key: { a: 1 } }, { key: { b: 1 } }]);
      await db.command({ dropIndexes: 'all', index: '*' });
    },
  },
  {
    name: 'an index that becomes unique by collMod',
    db: 'becomesUnique',
    async fill({ db }) {
      await db.collection<Numbered>('kept').insertMany(numbers(0, 20));
      await db.collection('kept').createIndex({ n: 1 });
      await db.collection('kept').createIndex({ m: 1 }, { sparse: true });
      await db.command({ collMod: 'kept', index: { name: 'm_1', prepareUnique: true } });
    },
    async after({ db }) {
      await db.command({ collMod: 'kept', index: { name: 'n_1', prepareUnique: true } });
      await db.command({ collMod: 'kept', index: { name: 'n_1', unique: true } });
    },
  },
  rareIndex(
    'text',
    { t: 'text', u: 'text' },
    { weights: { t: 5, u: 1 }, default_language: 'none' },
  ),
  rareIndex('hashed', { h: 'hashed' }),
  {
    name: 'Hazard 6: an index without a collation on a collated collection compares bytes',
    db: 'collated',
    async fill({ db }) {
      await db.createCollection('words', { collation: { locale: 'en', strength: 2 } });
      const words = db.collection<Document>('words');
      await words.insertMany(['a', 'b', 'C'].map((w, _id) => ({ _id: _id as never, w, v: w })));
      await words.createIndex({ w: 1 });
      await words.createIndex({ v: 1 }, { collation: { locale: 'simple' }, unique: true });
      await words.createIndex({ x: 1 }, { collation: FRENCH });
    },
    async after({ db }) {
      // Equal under the collection's collation, and not under the index's.
      await db.collection('words').insertOne({ _id: 10 as never, v: 'A' });
      await db.collection('words').createIndex({ y: 1 }, { collation: { locale: 'simple' } });
    },
    async check({ db }) {
      const indexes = await db.collection('words').indexes();
      const own = indexes.find(({ name }) => name === 'x_1')?.collation as Document | undefined;
      expect(own).toMatchObject(FRENCH);
      expect(await db.collection('words').countDocuments()).toBe(4);
    },
  },
  {
    name: 'Hazard 5: unique keys that change hands, documents that a validator would refuse, a TTL',
    db: 'refusing',
    async fill({ db }) {
      await db.collection<Numbered>('unique').insertMany(numbers(0, 100));
      await db.collection('unique').createIndex({ n: 1 }, { unique: true });
      await db.collection<Numbered>('strict').insertMany(numbers(0, 60));
      await db.command({ collMod: 'strict', validator: { text: { $type: 'string' } } });
      await db
        .collection<Numbered>('expiring')
        .insertMany(numbers(0, 10).map((document) => ({ ...document, at: new Date() })));
      await db.collection('expiring').createIndex({ at: 1 }, { expireAfterSeconds: 86_400 });
    },
    async during({ db }) {
      await changeHands(db.collection<Numbered>('unique'), 0);
    },
    async after({ db }) {
      for (let n = 10; n < 40; n += 2) await changeHands(db.collection<Numbered>('unique'), n);
      await db
        .collection<Numbered>('strict')
        .updateMany(
          { _id: { $lt: 10 } },
          { $set: { n: 'legacy' } },
          { bypassDocumentValidation: true },
        );
    },
  },
  {
    name: 'validators, clustered and collated collections, pre- and post-images, changed meanwhile',
    db: 'options',
    async fill({ db }) {
      const validator = {
        $jsonSchema: { required: ['n'], properties: { n: { bsonType: 'int' } } },
      };
      await db.createCollection('checked', { validator, validationLevel: 'moderate' });
      await db.collection<Numbered>('checked').insertMany(numbers(0, 30));
      await db.createCollection('clustered', {
        clusteredIndex: { key: { _id: 1 }, unique: true, name: 'by id' },
      } as Document);
      await db.collection<Numbered>('clustered').insertMany(numbers(0, 60));
      await db.createCollection('collated', { collation: FRENCH });
      await db.createCollection('imaged', { changeStreamPreAndPostImages: { enabled: true } });
      await db.collection<Numbered>('imaged').insertMany(numbers(0, 10));
    },
    async during({ db }) {
      await db.command({ collMod: 'checked', validationAction: 'warn' });
    },
    async after({ db }) {
      const validator = new Map<string, unknown>([
        ['z', { $gt: new Int32(1) }],
        ['5', { $lt: new Double(1) }],
      ]);
      await db.command({ collMod: 'clustered', validator });
      await db.command({ collMod: 'checked', validator: {}, validationLevel: 'strict' });
      await db.command({ collMod: 'imaged', changeStreamPreAndPostImages: { enabled: false } });
      await db.command({ collMod: 'collated', changeStreamPreAndPostImages: { enabled: true } });
      await db.collection<Numbered>('clustered').deleteMany({ _id: { $lt: 10 } });
    },
  },
  {
    name: 'names with dots, spaces, quotes, other alphabets and odd ends; of 255 bytes; empty ones',
    db: 'naïve-名',
    async fill({ db }) {
      for (const name of ODD_NAMES) await db.collection<Numbered>(name).insertMany(numbers(0, 3));
      const longest = 'x'.repeat(255 - Buffer.byteLength(`${db.databaseName}.`));
      await db.collection<Numbered>(longest).insertMany(numbers(0, 3));
      await db.createCollection('empty');
    },
    async after({ db }) {
      for (const name of ODD_NAMES) await db.collection<Numbered>(name).insertOne({ _id: 99 });
      await db.renameCollection('with a space', 'with  two');
      await db.collection("it's").drop();
      await db.createCollection('empty "too"');
    },
  },
];

const ODD_NAMES = [
  'a.b.c',
  'after',
  'with a space',
  ' lead',
  'trail ',
  "it's",
  'say "so"',
  '日本.コレクション',
  '🚢',
  'systemic',
  'tab\there',
  '-1',
  '{}',
];

/** One gives its key to another by way of a third. */
async function changeHands(
  collection: { updateOne(filter: Document, update: Document): Promise<unknown> },
  n: number,
): Promise<void> {
  await collection.updateOne({ _id: n }, { $set: { n: -1 } });
  await collection.updateOne({ _id: n + 1 }, { $set: { n } });
  await collection.updateOne({ _id: n }, { $set: { n: n + 1 } });
}
