import type { Namespaces } from '@linkspan/contract/push/work.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import type { Document } from 'mongodb';
import { describe, expect, it } from 'vitest';
import type { EngineHooks } from '../src/migration/context.ts';
import { type EnginePair, once, pair, withPair } from './support/enginePair.ts';
import type { Run } from './support/inProcessHost.ts';

interface Numbered extends Document {
  _id: number;
}

withPair();

const at = (name: string) => split(pair.source, name);
const there = (name: string) => split(pair.destination, name);
function split(mongodb: EnginePair['source'], name: string) {
  const [db = '', ...coll] = name.split('.');
  return mongodb.client().db(db).collection<Numbered>(coll.join('.'));
}
const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({ _id: from + index, text: `t${index}` }));

async function start(
  part: Partial<Namespaces>,
  hooks: EngineHooks = {},
): Promise<{ id: string; run: Run; namespaces: Namespaces }> {
  const namespaces = { include: [], exclude: [], rename: [], ...part };
  const id = await pair.side.start({ namespaces });
  return { id, run: await pair.run(id, { hooks }), namespaces };
}

const tailing = (id: string) =>
  pair.side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');

const warned = (id: string, text: string) =>
  pair.side.until(id, text, ({ warnings }) => warnings.some((one) => one.includes(text)));

/** What is selected is there under its name of there, and nothing else is. */
async function expectMoved(namespaces: Namespaces): Promise<void> {
  const { source, destination } = pair;
  const { differences } = await compareClusters(source.uri, destination.uri, namespaces);
  expect(differences).toEqual([]);
}

describe('filters and names', () => {
  it('move what is selected under its name of there, with writes to all of it going on', async () => {
    await at('shop.orders').insertMany(numbers(0, 500));
    await at('shop.orders').createIndex({ text: 1 }, { unique: false });
    await at('shop.tmp_1').insertMany(numbers(0, 50));
    await at('shop.a.b c').insertMany(numbers(0, 5));
    await at('logs.all').insertMany(numbers(0, 50));
    await at('old.things').insertMany(numbers(0, 50));
    const shop = pair.source.client().db('shop');
    await shop.createCollection('seen', {
      viewOn: 'orders',
      pipeline: [
        { $lookup: { from: 'customers', localField: 'c', foreignField: '_id', as: 'c' } },
        { $unionWith: { coll: 'a.b c', pipeline: [{ $match: { _id: 1 } }] } },
      ],
    });
    const hooks = {
      afterRead: once(async () => {
        await at('shop.orders').updateMany({ _id: { $lt: 50 } }, { $set: { text: 'changed' } });
        await at('shop.orders').deleteMany({ _id: { $gte: 450 } });
        await at('shop.tmp_1').insertMany(numbers(100, 150));
        await at('shop.tmp_2').insertMany(numbers(0, 5));
        await at('shop.customers').insertMany(numbers(0, 7));
        await at('new.unselected').insertMany(numbers(0, 7));
        await at('logs.all').drop();
      }),
    };
    const { id, run, namespaces } = await start(
      {
        include: ['shop', 'old.*'],
        exclude: ['*.tmp_?'],
        rename: [
          { from: 'shop', to: 'store' },
          { from: 'shop.customers', to: 'store.clients' },
          { from: 'old.things', to: 'store.old things' },
        ],
      },
      hooks,
    );
    const complete = await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    await expectMoved(namespaces);
    expect(complete.namespaces).toEqual(namespaces);
    expect(complete.progress?.collections.map(({ db, coll }) => `${db}.${coll}`)).not.toContain(
      'shop.tmp_1',
    );
    const [view] = await pair.destination
      .client()
      .db('store')
      .listCollections({ name: 'seen' })
      .toArray();
    expect(JSON.stringify(view)).toContain('"from":"clients"');
    expect(await there('store.clients').countDocuments()).toBe(7);
  });

  it('D18, Hazard 8: across the edge in is a copy, out is a drop; chained, over others, and while copying', async () => {
    await at('app.copied').insertMany(numbers(0, 300));
    await at('app.replaced').insertMany(numbers(0, 30));
    await at('app.leaves').insertMany(numbers(0, 30));
    await at('app.within').insertMany(numbers(0, 30));
    await at('app.tmp.in').insertMany(numbers(0, 200));
    await at('app.tmp.over').insertMany(numbers(1000, 1020));
    await at('app.tmp.twice').insertMany(numbers(0, 20));
    const { id, run, namespaces } = await start(
      { exclude: ['app.tmp.*'], rename: [{ from: 'app', to: 'moved' }] },
      {
        afterRead: once(async () => {
          await at('app.copied').rename('tmp.copied');
          await at('app.tmp.copied').insertOne({ _id: 999 });
        }),
      },
    );
    await tailing(id);
    expect(await there('moved.copied').countDocuments(), 'out is a drop').toBe(0);
    await at('app.tmp.in').rename('in');
    await at('app.in').insertOne({ _id: 7777 });
    await at('app.tmp.over').rename('replaced', { dropTarget: true });
    await at('app.leaves').rename('tmp.leaves');
    await at('app.within').rename('within.2');
    await at('app.within.2').rename('within.3');
    await at('app.tmp.twice').rename('once');
    await at('app.once').rename('tmp.again');
    await at('app.tmp.again').insertOne({ _id: 5000 });
    await at('app.tmp.again').rename('twice');
    await at('app.tmp.copied').rename('copied');
    await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    await expectMoved(namespaces);
    expect(await there('moved.copied').countDocuments()).toBe(301);
    expect(await there('moved.twice').countDocuments()).toBe(21);
  });

  it('D11: what appears later under a name that is taken is refused, says why, and never overwrites', async () => {
    await at('a.x').insertMany(numbers(0, 20));
    await at('b.y').insertMany(numbers(0, 10));
    const { id, run, namespaces } = await start({ rename: [{ from: 'b', to: 'a' }] });
    await tailing(id);
    await at('b.x').insertMany(numbers(500, 505));
    const refused = await warned(id, 'b.x: its name at the destination would be a.x');
    expect(refused.readyForCutover).toBe(false);
    await at('b.y').rename('z');
    await at('b.z').rename('x', { dropTarget: true });
    await at('b.x').insertOne({ _id: 600 });
    await warned(id, 'b.x: its name at the destination would be a.x');
    expect(await there('a.x').countDocuments()).toBe(20);
    await at('a.x').drop();
    await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    await expectMoved(namespaces);
    expect(await there('a.x').countDocuments(), 'it has its name once that is free').toBe(11);
  });

  it('a name that no server takes, and a view across databases, are refused and named', async () => {
    await at('a.x').insertMany(numbers(0, 3));
    await pair.source.client().db('a').createCollection('v', { viewOn: 'x', pipeline: [] });
    const { id, run, namespaces } = await start({
      rename: [
        { from: 'a.x', to: 'b.x' },
        { from: 'c', to: 'd'.repeat(60) },
      ],
    });
    await tailing(id);
    const { warnings } = await warned(id, 'a.v: it is a view that reads a.x');
    expect(warnings.join()).toContain('in two databases at the destination, "a" and "b"');
    const long = 'l'.repeat(200);
    await at(`c.${long}`).insertOne({ _id: 1 });
    await warned(id, 'at most 255 bytes');
    await at('a.v').drop();
    await at(`c.${long}`).rename('short');
    await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    await expectMoved(namespaces);
  });

  it('I3: go on from the journal after a crash', async () => {
    await at('a.x').insertMany(numbers(0, 50));
    await at('tmp.x').insertMany(numbers(0, 50));
    const { id, run, namespaces } = await start({
      exclude: ['tmp'],
      rename: [{ from: 'a', to: 'b' }],
    });
    await tailing(id);
    await run.stop();
    await at('a.x').insertMany(numbers(100, 110));
    await at('a.x').rename('y');
    await at('tmp.x').insertMany(numbers(100, 110));
    const again = await pair.run(id);
    await pair.side.cutOver(id);
    expect(await again.ended).toBeNull();
    await expectMoved(namespaces);
  });
});

describe('a throttle', () => {
  it('holds back what is pushed until it is taken away, without a restart', async () => {
    await at('app.c').insertMany(numbers(0, 300));
    const id = await pair.side.start({ throttle: { documentsPerSecond: 1 } });
    const run = await pair.run(id);
    const held = await pair.side.until(
      id,
      'held back by its throttle',
      ({ progress }) => progress?.holdingBack === 'THROTTLE',
    );
    expect(held.progress?.documentsCopied).toBeLessThan(100);
    const path = `/api/linkspan/v1/groups/${pair.side.projectId}/liveMigrations/${id}`;
    expect((await pair.side.api.patch(path, { body: { throttle: null } })).status).toBe(200);
    await pair.side.cutOver(id);
    expect(await run.ended).toBeNull();
    await pair.expectEqual();
  });
});
