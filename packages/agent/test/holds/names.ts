import { expect } from 'vitest';
import { type Holding, numbers, type Numbered } from './holding.ts';

export const NAMES: readonly Holding[] = [
  {
    name: 'Hazard 8: renames of a collection that is copied, in a chain, with dropTarget, and swaps',
    db: 'renames',
    async fill({ db }) {
      for (const [index, name] of ['a', 'b', 'c', 'x', 'y', 'target', 'chain'].entries()) {
        const from = index * 1000;
        await db.collection<Numbered>(name).insertMany(numbers(from, from + 120));
        await db.collection(name).createIndex({ n: 1 }, { unique: true });
      }
    },
    async during({ db }) {
      await db.renameCollection('a', 'moved');
      await db.collection<Numbered>('a').insertMany(numbers(9000, 9010));
      await db.renameCollection('x', 'z');
      await db.renameCollection('y', 'x');
      await db.renameCollection('z', 'y');
    },
    async after({ db }) {
      await db.renameCollection('chain', 'chain2');
      await db.collection<Numbered>('chain2').insertOne({ _id: 1, n: -1 });
      await db.renameCollection('chain2', 'chain3');
      await db.collection<Numbered>('chain3').insertOne({ _id: 2, n: -2 });
      await db.renameCollection('b', 'target', { dropTarget: true });
      await db.collection<Numbered>('target').insertOne({ _id: 3 });
      await db.renameCollection('x', 'z');
      await db.renameCollection('y', 'x');
      await db.renameCollection('z', 'y');
      await db.collection<Numbered>('x').deleteOne({ _id: 3001 });
      await db.renameCollection('c', 'system.elsewhere').catch(() => undefined);
      await db.collection<Numbered>('c').insertOne({ _id: 4, n: 'still here' });
    },
    async check({ db }) {
      const names = (await db.listCollections().toArray()).map(({ name }) => name);
      expect(names.toSorted()).toEqual(['a', 'c', 'chain3', 'moved', 'target', 'x', 'y']);
    },
  },
  {
    name: 'Hazard 8, D18: a rename into another database, and back',
    db: 'across',
    async fill({ db, client }) {
      await db.collection<Numbered>('here').insertMany(numbers(0, 80));
      await client.db('acrossToo').collection<Numbered>('there').insertMany(numbers(500, 580));
    },
    async after({ client }) {
      const rename = (from: string, to: string): Promise<unknown> =>
        client.db('admin').command({ renameCollection: from, to });
      await rename('across.here', 'acrossToo.here');
      await rename('acrossToo.there', 'across.there');
      await client.db('across').collection<Numbered>('there').insertOne({ _id: 1 });
      await client.db('acrossToo').collection<Numbered>('here').deleteOne({ _id: 1 });
      await rename('across.there', 'acrossToo.there');
    },
  },
  {
    name: 'Hazard 8, D2: collections dropped and made again under the same name',
    db: 'again',
    async fill({ db }) {
      for (const name of ['copied', 'tailed', 'twice']) {
        await db.collection<Numbered>(name).insertMany(numbers(0, 120));
        await db.collection(name).createIndex({ old: 1 });
      }
    },
    async during({ db }) {
      await db.dropCollection('copied');
      await db.collection<Numbered>('copied').insertMany(numbers(100, 130));
      await db.dropCollection('twice');
    },
    async after({ db }) {
      await db.dropCollection('tailed');
      await db.createCollection('tailed', { validator: { n: { $exists: true } } });
      await db.collection<Numbered>('tailed').insertMany(numbers(50, 60));
      await db.collection<Numbered>('twice').insertMany(numbers(0, 10));
      await db.dropCollection('twice');
      await db.collection<Numbered>('twice').insertMany(numbers(5, 8));
      await db.createCollection('brief');
      await db.dropCollection('brief');
    },
    async check({ db }) {
      expect(await db.collection('copied').countDocuments()).toBe(30);
    },
  },
  {
    name: 'a database that is dropped while it is copied, made again, and dropped',
    db: 'dropped',
    async fill({ client }) {
      await client.db('dropped').collection<Numbered>('a').insertMany(numbers(0, 60));
      await client.db('dropped').createCollection('view', { viewOn: 'a', pipeline: [] });
      await client.db('droppedToo').collection<Numbered>('b').insertMany(numbers(0, 10));
      await client.db('droppedAndBack').collection<Numbered>('c').insertMany(numbers(0, 10));
    },
    async during({ client }) {
      await client.db('dropped').dropDatabase();
      await client.db('dropped').collection<Numbered>('a').insertMany(numbers(30, 40));
    },
    async after({ client }) {
      await client.db('droppedToo').dropDatabase();
      await client.db('droppedAndBack').dropDatabase();
      await client.db('droppedAndBack').collection<Numbered>('c').insertMany(numbers(5, 6));
      await client.db('droppedAndBack').createCollection('d');
    },
  },
  {
    name: 'D18: what $out and $merge write, over collections and beside them',
    db: 'pipelines',
    async fill({ db }) {
      await db.collection<Numbered>('from').insertMany(numbers(0, 120));
      for (const name of ['out', 'merged']) {
        await db.collection<Numbered>(name).insertMany(numbers(500, 560));
        await db.collection(name).createIndex({ n: 1 });
      }
    },
    async during({ db }) {
      await db
        .collection('from')
        .aggregate([{ $match: { n: { $lt: 50 } } }, { $out: 'out' }])
        .toArray();
    },
    async after({ db }) {
      const from = db.collection('from');
      const into = { into: 'merged', whenMatched: 'replace', whenNotMatched: 'insert' };
      await from.aggregate([{ $set: { n: 'merged' } }, { $merge: into }]).toArray();
      await from.aggregate([{ $match: { n: { $lt: 5 } } }, { $out: 'out' }]).toArray();
      await from.aggregate([{ $out: 'made' }]).toArray();
    },
    async check({ db }) {
      expect(await db.collection('out').countDocuments()).toBe(5);
    },
  },
  {
    name: 'views made, changed and dropped, on views, and in the place of collections',
    db: 'views',
    async fill({ db }) {
      await db.collection<Numbered>('base').insertMany(numbers(0, 60));
      await db.createCollection('seen', {
        viewOn: 'base',
        pipeline: [{ $match: { n: { $gt: 1 } } }],
      });
      await db.createCollection('onView', { viewOn: 'seen', pipeline: [{ $project: { n: 1 } }] });
      await db.createCollection('collated', {
        viewOn: 'base',
        pipeline: [],
        collation: { locale: 'fr' },
      });
      await db.createCollection('gone', { viewOn: 'base', pipeline: [] });
      await db.createCollection('viewFirst', { viewOn: 'base', pipeline: [] });
      await db.collection<Numbered>('collectionFirst').insertMany(numbers(0, 10));
    },
    async during({ db }) {
      await db.createCollection('made', { viewOn: 'onView', pipeline: [{ $limit: 5 }] });
      await db.dropCollection('gone');
    },
    async after({ db }) {
      await db.dropCollection('seen');
      const project = new Map([
        ['z', 1],
        ['5', 1],
      ]);
      await db.createCollection('seen', { viewOn: 'base', pipeline: [{ $project: project }] });
      await db.dropCollection('viewFirst');
      await db.collection<Numbered>('viewFirst').insertMany(numbers(0, 3));
      await db.dropCollection('collectionFirst');
      await db.createCollection('collectionFirst', { viewOn: 'base', pipeline: [{ $skip: 1 }] });
    },
    async check({ db }) {
      const found = await db.listCollections().toArray();
      const types = new Map(found.map(({ name, type }) => [name, type]));
      expect([types.get('viewFirst'), types.get('collectionFirst')]).toEqual([
        'collection',
        'view',
      ]);
    },
  },
];
