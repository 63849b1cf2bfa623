import { expect, it } from 'vitest';
import { pair, withPair } from './support/enginePair.ts';

withPair();

const HOUR_MS = 3_600_000;
const measured = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => ({
    t: new Date(1_700_000_000_000 + (from + index) * HOUR_MS),
    m: { sensor: index % 3 },
    v: from + index,
  }));

/** SecantusDB acknowledges a change of a collection's TTL, and does not make it. */
const ttl = () =>
  pair.destination.server === 'mongod' ? { expireAfterSeconds: 1_000_000_000 } : {};

async function startSeries(): Promise<void> {
  await pair.app.createCollection('w', {
    timeseries: { timeField: 't', metaField: 'm', granularity: 'minutes' },
    ...ttl(),
  });
  await pair.app.collection('w').insertMany(measured(0, 300));
  await pair.app.collection('w').createIndex({ 'm.sensor': 1, t: 1 });
}

const optionsOf = async (coll: string) =>
  (await pair.copy.listCollections({ name: coll }).toArray())[0] as unknown;

it('D20: a time series moves with its options and indexes, while it is written and altered', async () => {
  await startSeries();
  const { id } = await pair.tailing();
  const options = (await optionsOf('w')) as { options: object };
  expect(options.options, 'D22: nothing expires before the end').not.toHaveProperty(
    'expireAfterSeconds',
  );
  await pair.app.collection('w').insertMany(measured(300, 400));
  await pair.app.createCollection('later', { timeseries: { timeField: 't' } });
  await pair.app.collection('later').insertMany(measured(0, 20));
  await pair.app.createCollection('gone', { timeseries: { timeField: 't' } });
  await pair.app.collection('gone').insertMany(measured(0, 20));
  await pair.app.collection('gone').drop();
  await pair.app.command({ collMod: 'w', timeseries: { granularity: 'hours' } });
  await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(await pair.copy.collection('w').countDocuments()).toBe(400);
  expect(await optionsOf('w')).toMatchObject({ options: ttl() });
});

it('D20: silent buckets are compared after the drain, and once more before COMPLETE', async ({
  skip,
}) => {
  if (!pair.source.capabilities.silentTimeSeries) skip('the source tells of its time series');
  await startSeries();
  const write = (from: number): Promise<unknown> =>
    pair.app.collection('w').insertMany(measured(from, from + 10));
  let isFirst = true;
  const beforeCutoverStep = async (step: string): Promise<void> => {
    if (step !== 'LOOK_AGAIN' || !isFirst) return;
    isFirst = false;
    await write(1000);
  };
  const { id } = await pair.tailing({ hooks: { beforeCutoverStep } });
  await write(500);
  await pair.side.askForCutover(id);
  const failed = await pair.side.until(id, 'failed', ({ cutover }) => cutover.failure !== null);
  expect(failed.cutover.failure).toContain('app.w was written after it was verified');
  expect(failed.progress?.warnings.join()).toContain('time series');
  await pair.side.cutOver(id);
  await pair.expectEqual();
});
