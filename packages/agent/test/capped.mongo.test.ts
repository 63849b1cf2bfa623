import { eventually } from '@linkspan/testkit/eventually.ts';
import { failCommands, healCommands, UNAUTHORIZED } from '@linkspan/testkit/failPoints.ts';
import { MongoServerError, type Document } from 'mongodb';
import { expect, it } from 'vitest';
import { once, pair, withPair } from './support/enginePair.ts';

withPair();

interface Entry extends Document {
  _id: number;
}

const log = (name = 'log') => pair.app.collection<Entry>(name);
const cap = (max: number) => ({ capped: true, size: 1024 * 1024, max });

/** Keys that say nothing about the order in which they are inserted. */
const entries = (from: number, to: number): Entry[] =>
  Array.from({ length: to - from }, (_, index) => ({
    _id: ((from + index) * 7919) % 100_003,
    n: from + index,
  }));

it('D12, Hazard 7: a capped collection arrives in its order, while it wraps around and changes', async () => {
  await pair.app.createCollection('log', cap(300));
  await log().insertMany(entries(0, 280));
  await log().createIndex({ n: 1 });
  await pair.app.createCollection('bytes', { capped: true, size: 8192 });
  await log('bytes').insertMany(entries(0, 500));
  const write = once(async () => {
    await log().insertMany(entries(1000, 1050));
    await log().deleteOne({ n: 100 });
    await log().insertOne({ _id: 700, n: 100 });
  });
  const copies: string[] = [];
  const hooks = {
    async afterRead(what: string, namespace: string) {
      if (what === 'copy') copies.push(namespace);
      await write();
    },
  };
  const { id } = await pair.tailing({ hooks, options: { copyBatchBytes: 1 } });
  copies.length = 0;
  await log().insertMany(entries(2000, 2700));
  await log().updateMany({ n: { $gt: 2690 } }, { $set: { text: 'longer than before' } });
  await log().deleteMany({ n: { $in: [2500, 2600] } });
  await log().insertMany(entries(2600, 2601));
  await log('bytes').insertMany(entries(1000, 1300));
  await pair.app.createCollection('later', cap(10));
  await log('later').insertMany(entries(0, 25));
  await log('later').updateOne({ n: 20 }, { $set: { text: 'changed' } });
  await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(await pair.copy.collection('log').countDocuments()).toBe(299);
  expect(copies, 'nothing had to be copied again').toEqual([]);
});

it('D12: where the order is in doubt, the collection is made and copied again', async () => {
  await pair.app.createCollection('log', cap(100));
  await log().insertMany(entries(0, 100));
  await log().createIndex({ n: 1 }, { unique: true });
  const plant = once(async () => {
    const copied = pair.copy.collection<Entry>('log');
    const first = await copied.findOneAndDelete({ n: 3 });
    await copied.insertOne(first as Entry);
    await copied.deleteOne({ n: 50 });
  });
  const { id } = await pair.tailing({ hooks: { beforeVerifying: plant } });
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

it('D12, D17: one that goes on differing is named, and the cutover fails', async () => {
  await pair.app.createCollection('log', cap(100));
  await log().insertMany(entries(0, 100));
  let isTampered = true;
  const beforeVerifying = async (): Promise<void> => {
    if (!isTampered) return;
    await pair.copy.collection('log').updateOne({ n: 3 }, { $bit: { n: { xor: 128 } } });
  };
  const { id } = await pair.tailing({ hooks: { beforeVerifying } });
  await pair.side.askForCutover(id);
  const { cutover } = await pair.side.until(id, 'failed', (one) => one.cutover.failure !== null);
  expect(cutover.failure).toMatch(/copied again \(app\.log\).*Stop what writes there/);
  isTampered = false;
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

it('D12, D18: a collection that is converted to a capped one comes through a temporary name', async () => {
  await log('a').insertMany(entries(0, 200));
  await log('b').insertMany(entries(0, 200));
  const hooks = { afterRead: once(() => convertToCapped('a')) };
  const { id } = await pair.tailing({ hooks, options: { copyBatchBytes: 1 } });
  await convertToCapped('b');
  await log('b').insertMany(entries(300, 310));
  await convertToCapped('a');
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

/** As a mongod does it: its own command is a copy to a temporary name and a rename over. */
async function convertToCapped(name: string): Promise<void> {
  try {
    await pair.app.command({ convertToCapped: name, size: 65_536 });
  } catch (error) {
    if (!(error instanceof MongoServerError) || error.code !== 59) throw error;
    const temporary = `tmp42.convertToCapped.${name}`;
    await pair.app.createCollection(temporary, { capped: true, size: 65_536 });
    const documents = await log(name).find().toArray();
    await log(temporary).insertMany(documents);
    await pair.app.renameCollection(temporary, name, { dropTarget: true });
  }
}

it('D12, I3: a copy that is made again goes on after a crash, or ends with its collection', async ({
  skip,
}) => {
  if (!pair.source.capabilities.failCommand) skip('the source has no failCommand');
  for (const name of ['log', 'gone', 'moved', 'held']) {
    await pair.app.createCollection(name, cap(100));
    await log(name).insertMany(entries(0, 100));
  }
  const { id, run } = await pair.tailing();
  await run.stop();
  for (const name of ['log', 'gone', 'moved', 'held']) {
    await pair.copy.collection(name).deleteOne({ n: 3 });
  }
  await pair.loseHistory();
  const reached = Promise.withResolvers<void>();
  const touched = new Set<string>();
  const hooks = {
    async afterRead(what: string, namespace: string) {
      if (what !== 'copy' || touched.has(namespace)) return;
      touched.add(namespace);
      if (namespace === 'app.gone') await log('gone').drop();
      if (namespace === 'app.moved') await log('moved').rename('renamed');
      if (touched.size < 4) return;
      reached.resolve();
      await new Promise(() => undefined);
    },
  };
  const second = await pair.run(id, { hooks });
  await reached.promise;
  await second.crash();
  await log('held').drop();
  await log().insertMany(entries(200, 220));
  await pair.run(id);
  await pair.side.cutOver(id);
  await pair.expectEqual();
});

it('D12, D16: a rename of one that a crash left dropped, between its drop and its making, is made and copied', async ({
  skip,
}) => {
  if (!pair.destination.capabilities.failCommand) skip('the destination has no failCommand');
  for (const name of ['log', 'gone']) {
    await pair.app.createCollection(name, cap(100));
    await log(name).insertMany(entries(0, 100));
  }
  const { id, run } = await pair.tailing();
  await run.stop();
  for (const name of ['log', 'gone']) await pair.copy.collection(name).deleteOne({ n: 3 });
  await pair.loseHistory();
  await failCommands(pair.destination, { failCommands: ['create'], errorCode: UNAUTHORIZED });
  const second = await pair.run(id);
  await eventually(async () => expect(await pair.copy.listCollections().toArray()).toEqual([]));
  await second.stop();
  await healCommands(pair.destination);
  await log().rename('renamed');
  await log('renamed').insertMany(entries(200, 220));
  await log().insertMany(entries(300, 310));
  await log('gone').rename('moved');
  await log('moved').drop();
  await pair.run(id);
  await pair.side.cutOver(id);
  await pair.expectEqual();
});
