import type { Random } from '../random.ts';
import { DURABLE, type Feature, key, type Source } from './feature.ts';

const DOCUMENTS = 6000;
const PADDING = 'x'.repeat(400);

const long = (source: Source) => source.collection('app', 'long');
const anyId = (random: Random): never => key(random.between(0, DOCUMENTS + 200));

const fill = (source: Source, count: number) =>
  long(source).insertMany(
    Array.from({ length: count }, (_, number) => ({ _id: key(number), padding: PADDING })),
    DURABLE,
  );

/** Long enough that other migration hosts copy ranges of it, while it is written, renamed and made again. */
export const longCollections: Feature = {
  name: 'long collections',
  prepare: (source) => fill(source, DOCUMENTS),
  operations: [
    {
      kind: 'update in a long collection',
      weight: 12,
      run: (source, random) =>
        long(source).updateOne(
          { _id: anyId(random) },
          { $set: { at: random.next() } },
          { upsert: true, ...DURABLE },
        ),
    },
    {
      kind: 'delete in a long collection',
      weight: 4,
      run: (source, random) => long(source).deleteOne({ _id: anyId(random) }, DURABLE),
    },
    {
      kind: 'delete a part of a long collection',
      weight: 0.5,
      run(source, random) {
        const first = random.between(0, DOCUMENTS);
        return long(source).deleteMany(
          { _id: { $gte: key(first), $lt: key(first + 50) } },
          DURABLE,
        );
      },
    },
    {
      kind: 'rename a long collection and back',
      weight: 0.3,
      renames: true,
      async run(source) {
        await long(source).rename('long aside', { dropTarget: true });
        await source.collection('app', 'long aside').rename('long');
      },
    },
    {
      kind: 'make a long collection again',
      weight: 0.1,
      renames: true,
      async run(source) {
        await long(source).drop();
        await fill(source, DOCUMENTS / 2);
      },
    },
  ],
};
