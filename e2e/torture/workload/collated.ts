import { document } from './documents.ts';
import { DURABLE, type Feature, key, type Source } from './feature.ts';

/** Equal under the collation, each in three ways. */
const WORDS = [
  ['ship', 'SHIP', 'Ship'],
  ['quay', 'Quay', 'QUAY'],
  ['rope', 'ROPE', 'rOPE'],
];

const COLLATION = { locale: 'en', strength: 2 };
const collated = (source: Source) => source.collection('app', 'collated');

/** Strings that differ and are one key (rules D13, D15; hazard 6). */
export const collatedKeys: Feature = {
  name: 'collations',
  async prepare(source, random) {
    await source.db('app').createCollection('collated', { collation: COLLATION });
    await collated(source).createIndex({ text: 1 });
    await collated(source).createIndex(
      { n: 1 },
      { name: 'simple', collation: { locale: 'simple' } },
    );
    for (const [word] of WORDS) await collated(source).insertOne(document(word, random), DURABLE);
  },
  operations: [
    {
      kind: 'an equal _id under a collation',
      weight: 4,
      async run(source, random) {
        const words = random.pick(WORDS);
        await collated(source).deleteOne({ _id: key(random.pick(words)) });
        await collated(source).insertOne(document(random.pick(words), random), DURABLE);
      },
    },
    {
      kind: 'update under a collation',
      weight: 2,
      run: (source, random) =>
        collated(source).updateOne(
          { _id: key(random.pick(random.pick(WORDS))) },
          { $inc: { n: 1 } },
        ),
    },
  ],
};
