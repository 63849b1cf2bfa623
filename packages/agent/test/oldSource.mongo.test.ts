import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { portOf, throughProxy } from '@linkspan/testkit/destinationSide.ts';
import type { Document } from 'mongodb';
import { expect, it } from 'vitest';
import { pair, withPair } from './support/enginePair.ts';

/** As MongoDB 5.0, which does not know what 6.0 can be asked for. Source: the server's IDL parser. */
const MONGODB_5 = {
  buildInfo: { version: '5.0.14', versionArray: [5, 0, 14, 0] },
  aggregate: ({ pipeline }: Document) =>
    pipeline[0]?.$changeStream?.showExpandedEvents === undefined
      ? null
      : {
          ok: 0,
          code: 40_415,
          codeName: 'Location40415',
          errmsg: "BSON field '$changeStream.showExpandedEvents' is an unknown field.",
        },
};

withPair();

it('D4, D5: a source before 6.0 is followed, and what it does not tell of is found at the cutover', async ({
  skip,
}) => {
  if (!pair.source.capabilities.control) skip('needs a source that this test started');
  await using proxy = await startAnsweringProxy(portOf(pair.source.uri), MONGODB_5);
  const { app } = pair;
  await app.collection('known').insertMany([{ a: 1 }, { a: 2 }]);
  const sourceUri = throughProxy(pair.source.uri, proxy);
  const { id, run } = await pair.tailing({ sourceUri });
  await app.collection('new').insertOne({ a: 1 });
  await app.createCollection('empty', { collation: { locale: 'simple' } });
  await app.createCollection('seen', { viewOn: 'known', pipeline: [{ $match: { a: 1 } }] });
  await app.collection('known').createIndex({ a: 1 });
  await app.collection('known').rename('moved');
  await app.collection('moved').updateOne({ a: 2 }, { $set: { a: 3 } });
  await pair.side.cutOver(id);
  expect(await run.ended).toBeNull();
  await pair.expectEqual();
});

it('D16: what an index refuses that has gone unseen at the source is written once it is reconciled', async ({
  skip,
}) => {
  if (!pair.source.capabilities.control) skip('needs a source that this test started');
  await using proxy = await startAnsweringProxy(portOf(pair.source.uri), MONGODB_5);
  const { app, copy } = pair;
  await app.collection('a').insertOne({ at: [1, 1] });
  await app.collection('a').createIndex({ at: '2dsphere' });
  const { id, run } = await pair.tailing({ sourceUri: throughProxy(pair.source.uri, proxy) });
  await expect.poll(() => copy.collection('a').indexExists('at_2dsphere')).toBe(true);
  await app.collection('a').dropIndex('at_2dsphere');
  await app.collection('a').insertOne({ at: 'nowhere' });
  await expect.poll(() => copy.collection('a').countDocuments(), { timeout: 30_000 }).toBe(2);
  expect(await copy.collection('a').indexExists('at_2dsphere')).toBe(false);
  await pair.side.cutOver(id);
  expect(await run.ended).toBeNull();
  await pair.expectEqual();
});
