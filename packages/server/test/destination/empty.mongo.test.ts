import type { Document } from 'mongodb';
import { startAnsweringProxy, type Answers } from '@linkspan/testkit/answeringProxy.ts';
import { portOf } from '@linkspan/testkit/destinationSide.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Destination } from '../../src/destination/destination.ts';
import { emptyCollection } from '../../src/destination/empty.ts';
import { DestinationUnavailableError } from '../../src/destination/errors.ts';

// Another one writes between any two commands, as fast as it is to be shown: a proxy before the server
// answers for a collection.

let mongo: MongoDB;
beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
  await mongo.client().db('e').createCollection('full');
});
afterAll(async () => {
  await mongo?.stop();
});

const NS = 'e.full';

/** A collection whose keys are numbers. A cursor shows what is ahead of it as it is at the time. */
class Numbers {
  readonly held: Set<number>;
  readonly #write: (into: Set<number>) => void;
  #position = -1;

  constructor(count: number, write: (into: Set<number>) => void) {
    this.held = new Set(Array.from({ length: count }, (_, n) => n));
    this.#write = write;
  }

  get answers(): Answers {
    return {
      count: () => ({ n: this.held.size }),
      aggregate: () => ({ cursor: { id: 0n, ns: NS, firstBatch: [{ n: this.held.size }] } }),
      find: ({ sort, limit, batchSize }) => {
        this.#position = -1;
        if (sort?._id === -1) return this.#reply('firstBatch', [Math.max(...this.held)], 0n);
        return this.#next('firstBatch', limit ?? batchSize, limit === undefined ? 1n : 0n);
      },
      getMore: ({ batchSize }) => this.#next('nextBatch', batchSize, 1n),
      delete: ({ deletes }) => {
        for (const { q } of deletes) this.held.delete(q._id);
        return { n: deletes.length };
      },
    };
  }

  #next(name: string, most: number, id: bigint): Document {
    this.#write(this.held);
    const ahead = [...this.held].filter((key) => key > this.#position).toSorted((a, b) => a - b);
    const given = ahead.slice(0, most);
    this.#position = given.at(-1) ?? this.#position;
    return this.#reply(name, given, given.length < most ? 0n : id);
  }

  #reply(name: string, keys: readonly number[], id: bigint): Document {
    return { cursor: { id, ns: NS, [name]: keys.map((_id) => ({ _id })) } };
  }
}

async function emptied(answers: Answers, spare?: number): Promise<string | null> {
  await using proxy = await startAnsweringProxy(portOf(mongo.uri), answers);
  const destination = new Destination({
    cluster: 'target',
    uri: `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`,
    connectionName: 'linkspan-test-empty',
    mayConnect: () => true,
    guard: (send) => send(),
  });
  try {
    const signal = AbortSignal.timeout(30_000);
    return await emptyCollection(destination, { db: 'e', coll: 'full' }, signal, spare);
  } finally {
    await destination.close();
  }
}

test('D11: of a collection into which somebody inserts all the time, what was there is deleted', async () => {
  let next = 10_000;
  const numbers = new Numbers(2500, (into) => {
    for (let count = 0; count < 1500; count++) into.add(next++);
  });
  expect(await emptied(numbers.answers)).toBeNull();
  const left = [...numbers.held];
  expect(left.filter((key) => key < 10_000)).toEqual([]);
  expect(left, 'nothing of the others').toHaveLength(next - 10_000);
});

test('D11: emptying gives up where documents come into its way as fast as it deletes', async () => {
  let distance = 1;
  let inserted = 0;
  const numbers = new Numbers(1000, (into) => {
    for (let count = 0; count < 1500; count++) into.add(999 - (distance *= 0.9999));
    inserted += 1500;
  });
  expect(await emptied(numbers.answers, 500)).toBe(
    'e.full: documents are inserted as fast as they are deleted',
  );
  // Two rounds: for the second one it has counted what the first one left.
  expect(1000 + inserted - numbers.held.size).toBeLessThan(8 * 1000);
});

test('D11: emptying does not give up where nobody inserts and the destination has counted wrong', async () => {
  const full = mongo.client().db('e').collection<{ _id: number }>('full');
  await full.insertMany(Array.from({ length: 1500 }, (_, n) => ({ _id: n })));
  expect(await emptied({ count: { n: 0 } }, 0)).toBeNull();
  expect(await full.countDocuments()).toBe(0);
});

test('D11: emptying that lost its cursor is worth trying again', async () => {
  const { answers } = new Numbers(1500, () => undefined);
  const getMore = { ok: 0, code: 43, errmsg: 'cursor id 1 not found' };
  await expect(emptied({ ...answers, getMore })).rejects.toThrow(DestinationUnavailableError);
});
