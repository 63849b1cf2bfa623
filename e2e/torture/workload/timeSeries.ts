import type { Random } from '../random.ts';
import { DURABLE, type Feature, key, type Source } from './feature.ts';

const HOUR_MS = 3_600_000;
const NAMES = ['tides', 'winds'] as const;
const GRANULARITIES = ['seconds', 'minutes', 'hours'] as const;

const series = (source: Source, name: string) => source.collection('app', name);

const make = (source: Source, name: string): Promise<unknown> =>
  source.db('app').createCollection(name, { timeseries: { timeField: 't', metaField: 'm' } });

function measurements(random: Random, count: number) {
  const first = random.between(0, 1_000_000_000);
  return Array.from({ length: count }, (_, index) => ({
    _id: key(first + index),
    t: new Date(1_700_000_000_000 + random.between(0, 5000) * HOUR_MS),
    m: { gauge: random.between(0, 4) },
    v: random.between(-100, 100),
  }));
}

/** Of which a `mongod` tells nothing while they change (rule D20). */
export const timeSeries: Feature = {
  name: 'time series',
  async prepare(source, random) {
    await make(source, 'tides');
    await series(source, 'tides').createIndex({ 'm.gauge': 1, t: 1 });
    await series(source, 'tides').insertMany(measurements(random, 100), DURABLE);
  },
  operations: [
    {
      kind: 'insert measurements',
      weight: 3,
      run: (source, random) =>
        series(source, random.pick(NAMES)).insertMany(
          measurements(random, random.between(1, 10)),
          DURABLE,
        ),
    },
    {
      kind: 'delete measurements',
      weight: 0.5,
      run: (source, random) =>
        series(source, random.pick(NAMES)).deleteMany({ 'm.gauge': random.between(0, 4) }),
    },
    {
      kind: 'make a time series again',
      weight: 0.5,
      renames: true,
      async run(source, random) {
        const name = random.pick(NAMES);
        await series(source, name).drop();
        await make(source, name);
        await series(source, name).insertMany(measurements(random, 20), DURABLE);
      },
    },
    {
      kind: 'change the granularity',
      weight: 0.5,
      run: (source, random) =>
        source.db('app').command({
          collMod: random.pick(NAMES),
          timeseries: { granularity: random.pick(GRANULARITIES) },
        }),
    },
  ],
};
