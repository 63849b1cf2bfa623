import { chunkDigest, documentDigest, type DigestReply } from '@linkspan/contract/push/digest.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { BSON, Double, Int32, type Binary } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Destination } from '../../src/destination/destination.ts';
import { DigestCursorLostError, DigestWalks, digestKeys } from '../../src/destination/digest.ts';
import { writeBatch } from '../../src/destination/writer.ts';

let mongo: MongoDB;
let destination: Destination;
const documents = Array.from({ length: 25 }, (_, index) =>
  Buffer.from(BSON.serialize({ _id: new Double(index), text: `n${index}` })),
);

beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
  destination = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-digest',
    mayConnect: () => true,
    guard: (send) => send(),
  });
  await writeBatch(destination, {
    op: 'insert',
    db: 'g',
    coll: 'c',
    documents: documents.toReversed(),
  });
});
afterAll(async () => {
  await destination?.close();
  await mongo?.stop();
});

async function ask(
  walks: DigestWalks,
  cursor: string | null,
  expect: Uint8Array | null,
): Promise<DigestReply> {
  const reply = await walks.next({ db: 'g', coll: 'c', cursor, limit: 10, expect });
  return BSON.deserialize(reply, { promoteValues: false }) as unknown as DigestReply;
}

const bytesOf = (binary: unknown): Buffer => Buffer.from((binary as Binary).value());

test('a walk says equal, or lists each document with its exact key and hash (D19)', async () => {
  const walks = new DigestWalks(destination);
  const first = await ask(walks, null, chunkDigest(documents.slice(0, 10)));
  expect(BSON.serialize(first)).toEqual(
    BSON.serialize({ cursor: first.cursor, count: 10, equal: true, documents: [] }),
  );
  const second = await ask(walks, first.cursor, chunkDigest(documents.slice(9, 19)));
  expect(second).toMatchObject({ equal: false });
  expect(second.documents.map(({ key }) => bytesOf(key))).toEqual(
    Array.from({ length: 10 }, (_, index) =>
      Buffer.from(BSON.serialize({ _id: new Double(index + 10) })),
    ),
  );
  expect(second.documents.map(({ hash }) => bytesOf(hash))).toEqual(
    documents.slice(10, 20).map(documentDigest),
  );
  await expect(ask(walks, first.cursor, null), 'answered before').rejects.toThrow(
    DigestCursorLostError,
  );
  const third = await ask(walks, second.cursor, chunkDigest(documents.slice(20)));
  expect(third).toMatchObject({ cursor: null, equal: true });
  await walks.close();
});

test('D12: a walk in natural order shows documents in the order in which they were inserted', async () => {
  const walks = new DigestWalks(destination);
  const expected = chunkDigest(documents.toReversed().slice(0, 10));
  const first = { db: 'g', coll: 'c', cursor: null, limit: 10, order: 'natural' } as const;
  expect(BSON.deserialize(await walks.next({ ...first, expect: expected }))).toMatchObject({
    equal: true,
  });
  expect(await ask(walks, null, expected)).toMatchObject({ equal: false });
  await walks.close();
});

test('a walk begins behind a key, whether it is there or not', async () => {
  const walks = new DigestWalks(destination);
  const behind = async (_id: unknown): Promise<Buffer | undefined> => {
    const after = BSON.serialize({ _id });
    const request = { db: 'g', coll: 'c', cursor: null, after, limit: 1, expect: null };
    const reply = BSON.deserialize(await walks.next(request), { promoteValues: false });
    return bytesOf((reply as unknown as DigestReply).documents[0]?.key);
  };
  const key = (_id: unknown): Buffer => Buffer.from(BSON.serialize({ _id }));
  expect(await behind(new Double(7))).toEqual(key(new Double(8)));
  expect(await behind(7.5)).toEqual(key(new Double(8)));
  // Another type of number is another document's place: what is there is part of the walk.
  expect(await behind(new Int32(7))).toEqual(key(new Double(7)));
  await walks.close();
});

test('keys are looked up by value and shown with the bytes that are there (D15, D19)', async () => {
  const keys = [new Int32(3), new Double(4), 'none', { a: 1 }].map((_id) =>
    BSON.serialize({ _id }),
  );
  const reply = BSON.deserialize(await digestKeys(destination, { db: 'g', coll: 'c', keys }), {
    promoteValues: false,
  }) as unknown as DigestReply;
  const found = reply.documents
    .map(({ key, hash }) => [bytesOf(key), bytesOf(hash)] as const)
    .toSorted(([a], [b]) => Buffer.compare(a, b));
  expect(found).toEqual(
    [3, 4].map((index) => [
      Buffer.from(BSON.serialize({ _id: new Double(index) })),
      documentDigest(documents[index] as Buffer),
    ]),
  );
});

test('an absent collection is an empty walk; walks end with their session', async () => {
  const walks = new DigestWalks(destination);
  const reply = await walks.next({ db: 'g', coll: 'none', cursor: null, limit: 10, expect: null });
  expect(BSON.deserialize(reply)).toEqual({ cursor: null, count: 0, equal: false, documents: [] });
  const { cursor } = await ask(walks, null, null);
  await walks.close();
  await expect(ask(walks, cursor, null)).rejects.toThrow(DigestCursorLostError);
});

test('walks are bounded: the one unused for longest ends', async () => {
  const walks = new DigestWalks(destination);
  const first = await ask(walks, null, null);
  const second = await ask(walks, null, null);
  for (let opened = 2; opened < 65; opened += 1) await ask(walks, null, null);
  await expect(ask(walks, first.cursor, null)).rejects.toThrow(DigestCursorLostError);
  expect(await ask(walks, second.cursor, null)).toMatchObject({ equal: false });
  await walks.close();
});
