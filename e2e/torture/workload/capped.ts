import { document } from './documents.ts';
import { DURABLE, type Feature, key, type Source } from './feature.ts';
import { PASSING } from './names.ts';

const capped = (source: Source) => source.collection('app', 'capped');

/** Collections that keep the order of insertion and wrap around (rule D12, hazard 7). */
export const cappedCollections: Feature = {
  name: 'capped collections',
  async prepare(source, random) {
    await source.db('app').createCollection('capped', { capped: true, size: 1_000_000, max: 60 });
    const rows = Array.from({ length: 50 }, (_, _id) => document(_id, random));
    await capped(source).insertMany(rows, DURABLE);
  },
  operations: [
    {
      kind: 'insert into a capped collection',
      weight: 4,
      run(source, random) {
        const first = random.between(1000, 1_000_000_000);
        const rows = Array.from({ length: random.between(1, 6) }, (_, index) =>
          document(first + index, random),
        );
        return capped(source).insertMany(rows, DURABLE);
      },
    },
    {
      kind: 'update in a capped collection',
      weight: 1,
      run: (source, random) =>
        capped(source).updateOne({ _id: key(random.between(0, 49)) }, { $set: { n: 1 } }),
    },
    {
      kind: 'convert to capped',
      weight: 0.5,
      renames: true,
      run: (source, random) =>
        source
          .db('shop')
          .command({ convertToCapped: random.pick(PASSING), size: random.between(1, 9) * 100_000 }),
    },
  ],
};
