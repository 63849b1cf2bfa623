import { BSON, Double, Int32, Timestamp } from 'mongodb';
import { expect, test } from 'vitest';

import {
  insertLiterallyStatement,
  odditiesOf,
  replaceStatement,
  splitMessages,
} from '../../src/destination/statements.ts';

const raw = (document: object): Buffer => Buffer.from(BSON.serialize(document));
const EMPTY = new Timestamp({ t: 0, i: 0 });

test('only what a server would change at the top level is odd (D15)', () => {
  const none = { dollar: false, emptyTimestamp: false };
  expect(odditiesOf(raw({ _id: 1, a: 'b' }))).toEqual(none);
  expect(odditiesOf(raw({ _id: EMPTY, a: { $x: EMPTY }, b$: '$', z: new Double(0) }))).toEqual(
    none,
  );
  expect(odditiesOf(raw({ _id: 1, $a: 1 }))).toEqual({ ...none, dollar: true });
  expect(odditiesOf(raw({ _id: 1, t: EMPTY }))).toEqual({ ...none, emptyTimestamp: true });
});

test('statements carry key and document as they are', () => {
  const document = raw({ _id: new Double(1), a: new Int32(1) });
  expect(replaceStatement(document)).toEqual(
    raw({ q: { _id: new Double(1) }, u: { _id: new Double(1), a: new Int32(1) }, upsert: true }),
  );
  expect(BSON.deserialize(insertLiterallyStatement(document))).toEqual({
    q: { _id: 1, $nor: [{ _id: 1 }] },
    u: [{ $replaceWith: { $literal: { _id: 1, a: 1 } } }],
    upsert: true,
  });
});

test('statements are cut into commands by bytes and by count', () => {
  const sizes = (lengths: number[]): number[] => {
    const statements = lengths.map((length, index) => ({ index, bytes: Buffer.alloc(length) }));
    return [...splitMessages(statements)].map((message) => message.length);
  };
  expect(sizes([])).toEqual([]);
  expect(sizes([16_000_000, 16_000_000, 15_000_000, 1, 1])).toEqual([3, 2]);
  expect(sizes([48_000_000, 1])).toEqual([1, 1]);
  expect(sizes(Array.from({ length: 100_001 }, () => 5))).toEqual([100_000, 1]);
});
