import { insertRaw } from '@linkspan/testkit/rawWrites.ts';
import { rawOf } from '@linkspan/testkit/values.ts';
import { Int32, Long } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { EnginePair } from './support/enginePair.ts';

let pair: EnginePair;

beforeAll(async () => {
  pair = await EnginePair.start();
});
beforeEach(() => pair.reset());
afterAll(() => pair[Symbol.asyncDispose]());

/** A document whose `_id` or value is a string that is not UTF-8. */
function notUtf8(field: '_id' | 'text', n: number): Buffer {
  const document = { _id: field === '_id' ? `~${n}` : n, n: new Int32(n), text: `~${n}` };
  const raw = rawOf(document);
  raw[field === '_id' ? raw.indexOf('~') : raw.lastIndexOf('~')] = 0xff;
  return raw;
}

/** A document whose `_id` is a date that JavaScript does not know. */
function farDate(n: number): Buffer {
  const raw = rawOf({ _id: Long.MAX_VALUE.sub(n), n: new Int32(n) });
  raw[raw.indexOf('_id') - 1] = 0x09;
  return raw;
}

it('keys and values that no driver can name are copied, changed and deleted like others', async ({
  skip,
}) => {
  if (!pair.source.capabilities.anyBytes) skip('the source stores no such strings and dates');
  const host = pair.source.client().options.hosts[0]?.toString() ?? '';
  const odd = { db: 'app', coll: 'odd' };
  const made = [1, 2, 3, 4].flatMap((n) => [notUtf8('_id', n), notUtf8('text', n), farDate(n)]);
  await insertRaw(host, odd, made);
  const { id } = await pair.tailing({ options: { copyBatchBytes: 1 } });
  await insertRaw(host, odd, [notUtf8('_id', 5), notUtf8('text', 5), farDate(5)]);
  const odds = pair.app.collection('odd');
  await odds.updateMany({ n: 1 }, { $set: { changed: true } });
  await odds.deleteMany({ n: 2 });
  await pair.side.cutOver(id);
  await pair.expectEqual();
  expect(await pair.copy.collection('odd').countDocuments()).toBe(12);
});
