import { DURABLE, type Feature, key } from './feature.ts';

const MEBIBYTE = 1024 * 1024;

/** Documents that fill a batch by themselves, up to the 16 MiB that a server takes. */
export const largeDocuments: Feature = {
  name: 'large documents',
  operations: [
    {
      kind: 'large document',
      weight: 0.3,
      run(source, random) {
        // The largest are rare: each of them is a batch of its own, here and on the wire.
        const size = random.chance(0.1) ? 16 * MEBIBYTE - 200 : random.between(1, 3) * MEBIBYTE;
        const padding = random.pick(['a', 'ä', '日']).repeat(8192);
        const bytes = Buffer.byteLength(padding);
        return source
          .collection('app', 'large')
          .replaceOne(
            { _id: key(random.between(0, 4)) },
            { text: padding.repeat(Math.floor(size / bytes)), at: random.next() },
            { upsert: true, ...DURABLE },
          );
      },
    },
    {
      kind: 'large document deleted',
      weight: 0.2,
      run: (source, random) =>
        source.collection('app', 'large').deleteOne({ _id: key(random.between(0, 4)) }),
    },
  ],
};
