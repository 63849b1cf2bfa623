import { createRequire } from 'node:module';

import { expect, test } from 'vitest';

import { documentSequence } from '../../src/destination/documentSequence.ts';

test('the driver puts raw documents into a sequence as they are', () => {
  const { version } = createRequire(import.meta.url)('mongodb/package.json') as { version: string };
  expect(version, 'the class is internal: check it before the pin moves').toBe('7.9.0');

  const first = Buffer.from([5, 0, 0, 0, 0]);
  const second = Buffer.from([12, 0, 0, 0, 16, 97, 0, 1, 0, 0, 0, 0]);
  const sequence = documentSequence('documents', [first, second]) as { toBin(): Uint8Array };
  const header = Buffer.from([1, 0, 0, 0, 0, ...Buffer.from('documents\0')]);
  header.writeInt32LE(header.length - 1 + first.length + second.length, 1);
  expect(Buffer.from(sequence.toBin())).toEqual(Buffer.concat([header, first, second]));
});

test('an empty sequence is refused', () => {
  expect(() => documentSequence('deletes', [])).toThrow(RangeError);
});
