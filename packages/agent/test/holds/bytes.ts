import { insertRaw } from '@linkspan/testkit/rawWrites.ts';
import { rawOf } from '@linkspan/testkit/values.ts';
import { Int32, Long } from 'mongodb';
import { expect } from 'vitest';
import type { Holding, Place } from './holding.ts';

/** A document whose `_id` or text is a string that is not UTF-8. */
function notUtf8(field: '_id' | 'text', n: number): Buffer {
  const raw = rawOf({ _id: field === '_id' ? `~${n}` : n, n: new Int32(n), text: `~${n}` });
  raw[field === '_id' ? raw.indexOf('~') : raw.lastIndexOf('~')] = 0xff;
  return raw;
}

/** A document whose `_id` was written as one type and is another of the same length. */
function retyped(_id: unknown, type: number, n: number): Buffer {
  const raw = rawOf({ _id, n: new Int32(n) });
  raw[raw.indexOf('_id') - 1] = type;
  return raw;
}

const DATE = 0x09;
const SYMBOL = 0x0e;

const allOf = (n: number): Buffer[] => [
  notUtf8('_id', n),
  notUtf8('text', n),
  // A date that JavaScript does not know.
  retyped(Long.MAX_VALUE.sub(n), DATE, n),
  retyped(`symbol ${n}`, SYMBOL, n),
];

function insert({ mongodb, db }: Place, from: number, to: number): Promise<void> {
  const host = mongodb.client().options.hosts[0]?.toString() ?? '';
  const odd = { db: db.databaseName, coll: 'odd' };
  const documents = Array.from({ length: to - from }, (_, index) => allOf(from + index));
  return insertRaw(host, odd, documents.flat());
}

export const BYTES: readonly Holding[] = [
  {
    name: 'D8, Hazard 4: keys and values that no driver can name',
    db: 'bytes',
    lacks: async ({ mongodb }) =>
      mongodb.capabilities.anyBytes ? null : 'the source stores no such strings and dates',
    fill: (place) => insert(place, 1, 30),
    async during(place) {
      await insert(place, 30, 35);
      await place.db.collection('odd').deleteMany({ n: 2 });
    },
    async after(place) {
      await insert(place, 35, 40);
      await place.db
        .collection('odd')
        .updateMany({ n: { $in: [1, 31] } }, { $set: { changed: true } });
      await place.db.collection('odd').deleteMany({ n: { $in: [3, 32, 36] } });
    },
    async check({ db }) {
      expect(await db.collection('odd').countDocuments()).toBe(4 * (39 - 4));
    },
  },
];
