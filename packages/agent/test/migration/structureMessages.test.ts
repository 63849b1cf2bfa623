import { MAX_STRUCTURES } from '@linkspan/contract/push/structure.ts';
import { expect, it } from 'vitest';
import { cutIntoMessages } from '../../src/migration/structureMessages.ts';
import type { ListedNamespace } from '../../src/source/listing.ts';

const found = (options: object): { found: ListedNamespace } => ({
  found: { options, indexes: [] } as unknown as ListedNamespace,
});
const lengths = (all: readonly object[]): number[] =>
  cutIntoMessages(all.map(found)).map(({ length }) => length);

it('no message holds more requests than a server takes', () => {
  const many = Array.from({ length: 2 * MAX_STRUCTURES + 1 }, () => ({}));
  expect(lengths(many)).toEqual([MAX_STRUCTURES, MAX_STRUCTURES, 1]);
});

it('no message holds more than 4 MiB, unless one request alone does', () => {
  const large = (mebibytes: number) => ({ text: 'x'.repeat(mebibytes * 1024 * 1024) });
  expect(lengths([large(1), large(2), large(2), large(6), large(1)])).toEqual([2, 1, 1, 1]);
});
