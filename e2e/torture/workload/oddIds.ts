import { oddDocuments, oddIds } from '@linkspan/testkit/values.ts';
import { Decimal128, Double, Int32, Long } from 'mongodb';
import { document } from './documents.ts';
import { DURABLE, type Feature, key, type Source } from './feature.ts';

const IDS = oddIds();

/** The same number to MongoDB, and different bytes. */
const ONES = [
  new Int32(77),
  new Double(77),
  Long.fromNumber(77),
  Decimal128.fromString('77'),
  Decimal128.fromString('77.0'),
];

const INSERT = { forceServerObjectId: true, ...DURABLE } as const;
const odd = (source: Source) => source.collection('app', 'odd');

/** Keys of every type, and values of every type in them (hazard 4, rule D15). */
export const oddKeys: Feature = {
  name: 'odd keys',
  prepare: (source) => odd(source).insertMany(oddDocuments() as never[], INSERT),
  operations: [
    {
      kind: 'insert with an odd _id',
      weight: 4,
      run: (source, random) => odd(source).insertOne(document(random.pick(IDS), random), INSERT),
    },
    {
      kind: 'update by an odd _id',
      weight: 4,
      run: (source, random) =>
        odd(source).updateOne({ _id: key(random.pick(IDS)) }, { $set: { changed: random.next() } }),
    },
    {
      kind: 'delete by an odd _id',
      weight: 2,
      run: (source, random) => odd(source).deleteOne({ _id: key(random.pick(IDS)) }),
    },
    {
      kind: 'an equal _id of another type',
      weight: 4,
      async run(source, random) {
        await odd(source).deleteOne({ _id: key(77) });
        await odd(source).insertOne(document(random.pick(ONES), random), INSERT);
      },
    },
  ],
};
