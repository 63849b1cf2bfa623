import { BSON, UUID, type Document } from 'mongodb';
import { namespaceKey, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import { startAnsweringProxy, type Answers } from '@linkspan/testkit/answeringProxy.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';

import { abortBuild } from '../../src/destination/abortBuild.ts';
import { listNamespaces } from '../../src/destination/catalog.ts';
import { Destination } from '../../src/destination/destination.ts';
import { DestinationUnavailableError } from '../../src/destination/errors.ts';
import { buildOf, quiesce } from '../../src/destination/quiesce.ts';
import { applyStructure } from '../../src/destination/structure.ts';
import { writeBatch } from '../../src/destination/writer.ts';
import { readRequest } from '../../src/gateway/structure.ts';

// No server at hand builds in two phases or is sharded: a proxy before it answers as such a one does.

let mongo: MongoDB;
beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
});
afterAll(async () => {
  await mongo?.stop();
});
beforeEach(async () => {
  await mongo.client().db('b').dropDatabase();
});

const NAME = 'linkspan-test-builds';
const namespace: Namespace = { db: 'b', coll: 'c' };
const A = { v: 2, key: { a: 1 }, name: 'a_1' };
const B = { v: 2, key: { b: 1 }, name: 'b_1', unique: true };

async function answering(
  answers: Answers,
): Promise<AsyncDisposable & { readonly destination: Destination; readonly uri: string }> {
  const proxy = await startAnsweringProxy(Number(/:(\d+)\//.exec(mongo.uri)?.[1]), answers);
  const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  const destination = new Destination({
    cluster: 'target',
    uri,
    connectionName: NAME,
    mayConnect: () => true,
    guard: (send) => send(),
  });
  return {
    destination,
    uri,
    async [Symbol.asyncDispose]() {
      await destination.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

function reconcile(destination: Destination, indexes: readonly Document[]): Promise<string[]> {
  const owned = new Map([[namespaceKey(namespace), namespace]]);
  const request = { action: 'collection', ...namespace, options: {}, indexes };
  return applyStructure(
    destination,
    {
      has: async (one) => owned.has(namespaceKey(one)),
      wasThere: async () => false,
      add: async () => undefined,
      remove: async () => undefined,
    },
    // Through BSON, as the gateway gets it.
    readRequest(Buffer.from(BSON.serialize(request))),
  );
}

/** A `listIndexes` of a server where those are being built, together. */
const building = (...specs: readonly Document[]): Answers => {
  const buildUUID = new UUID();
  const id = { v: 2, key: { _id: 1 }, name: '_id_' };
  return {
    listIndexes: ({ includeBuildUUIDs }) => {
      const items = specs.map((spec) => (includeBuildUUIDs === true ? { spec, buildUUID } : spec));
      return { cursor: { id: 0n, ns: 'b.c', firstBatch: [id, ...items] } };
    },
  };
};

const failed = (code: number): Document => ({ ok: 0, code, errmsg: 'as a server says' });

test('C2: a build that the primary answered as it stepped down is under way still', async () => {
  await using at = await answering({ createIndexes: failed(11_602), insert: failed(11_602) });
  const insert = { insert: 'c', documents: [{ _id: 1 }] };
  await expect(at.destination.writeDocuments('b', 'insert', insert)).rejects.toThrow(
    DestinationUnavailableError,
  );
  expect(at.destination.hasUnanswered).toBe(false);
  await expect(reconcile(at.destination, [A])).rejects.toThrow(DestinationUnavailableError);
  expect(at.destination.hasUnansweredStructure).toBe(true);
});

test('I2: an index that is being built is not taken for one that is there', async () => {
  const sent: Document[] = [];
  await using at = await answering({
    ...building(A, B),
    createIndexes: (command) => {
      sent.push(command);
      return {};
    },
    collMod: {},
  });
  await mongo.client().db('b').createCollection('c');
  const wanted = [{ ...A, prepareUnique: true }, B];
  expect((await reconcile(at.destination, wanted))[0], 'it joins the build').toEqual(
    'b.c: build the indexes a_1, b_1',
  );
  expect(sent[0]?.['indexes']).toMatchObject([{ name: 'a_1' }, { name: 'b_1' }]);
  expect(
    await listNamespaces(at.destination, [namespace], { namesOnly: false, counted: false }),
  ).toMatchObject({ namespaces: [{ coll: 'c', indexes: [] }] });
});

test('I2: a build of an index that is not wanted is aborted as a whole', async () => {
  const sent: Document[] = [];
  const note = (command: Document): Document => {
    sent.push(command);
    return {};
  };
  await using at = await answering({ ...building(A, B), createIndexes: note, dropIndexes: note });
  await mongo.client().db('b').createCollection('c');
  const changes = await reconcile(at.destination, [A, { ...B, unique: false }]);
  expect(changes).toEqual(['b.c: drop the index a_1, b_1', 'b.c: build the indexes a_1, b_1']);
  expect(sent[0]).toMatchObject({ dropIndexes: 'c', index: ['a_1', 'b_1'] });
});

test('a server that refuses to tell of builds is asked once', async () => {
  const asked: boolean[] = [];
  await using at = await answering({
    listIndexes: ({ includeBuildUUIDs }) => {
      asked.push(includeBuildUUIDs === true);
      return includeBuildUUIDs === true ? failed(40_415) : null;
    },
  });
  await mongo.client().db('b').createCollection('c');
  expect(await reconcile(at.destination, [A])).toEqual(['b.c: build the indexes a_1']);
  expect(await reconcile(at.destination, [A])).toEqual([]);
  expect(asked).toEqual([true, false, false]);
});

test('C2: a build of several indexes is aborted by all of their names', async () => {
  const built = Promise.withResolvers<Document>();
  const begun = Promise.withResolvers<void>();
  const dropped: unknown[] = [];
  await using at = await answering({
    createIndexes: () => {
      begun.resolve();
      return built.promise;
    },
    dropIndexes: ({ index, writeConcern }) => {
      dropped.push(index);
      expect(writeConcern).toMatchObject({ w: 'majority', j: true });
      built.resolve(failed(276));
      return {};
    },
  });
  await mongo.client().db('b').createCollection('c');
  const outcome = expect(reconcile(at.destination, [A, B])).rejects.toThrow(
    DestinationUnavailableError,
  );
  await begun.promise;
  await at.destination.abortBuilds();
  await outcome;
  expect(dropped).toEqual([['a_1', 'b_1']]);
  expect(at.destination.hasUnanswered).toBe(false);
});

test('C2: where all names together are refused each is dropped by itself', async () => {
  const dropped: unknown[] = [];
  await using at = await answering({
    dropIndexes: ({ index }) => {
      dropped.push(index);
      if (!Array.isArray(index)) return {};
      const waiting = { writeConcernError: { code: 64, errmsg: 'waiting' } };
      return index.includes('slow_1') ? waiting : failed(index.includes('gone_1') ? 27 : 14);
    },
  });
  const drop = (index: unknown): Promise<unknown> =>
    at.destination.client.db('b').command({ dropIndexes: 'c', index });
  await abortBuild(['a_1', 'b_1'], drop);
  await abortBuild(['c_1'], drop);
  expect(dropped).toEqual([['a_1', 'b_1'], 'a_1', 'b_1', 'c_1']);
  await abortBuild(['a_1', 'gone_1'], drop);
  await abortBuild(['a_1', 'slow_1'], drop);
  expect(dropped.slice(4), 'nothing is being built any more: what is there stays').toEqual([
    ['a_1', 'gone_1'],
    ['a_1', 'slow_1'],
  ]);
});

test('C2: an abort whose answer was lost is under way like what it was to abort', async () => {
  const built = Promise.withResolvers<Document>();
  const begun = Promise.withResolvers<void>();
  await using at = await answering({
    createIndexes: () => {
      begun.resolve();
      return built.promise;
    },
    dropIndexes: () => 'cut',
  });
  await mongo.client().db('b').createCollection('c');
  const building = reconcile(at.destination, [A, B]);
  await begun.promise;
  await at.destination.abortBuilds();
  built.resolve({});
  await building;
  expect(at.destination.hasUnansweredStructure).toBe(true);
});

const HELLO = {
  isWritablePrimary: true,
  msg: 'isdbgrid',
  helloOk: true,
  minWireVersion: 0,
  maxWireVersion: 21,
  maxBsonObjectSize: 16_777_216,
  maxMessageSizeBytes: 48_000_000,
  maxWriteBatchSize: 100_000,
  logicalSessionTimeoutMinutes: 30,
};

test('C2: what a mongos answers for a shard that it lost is not the end of a write', async () => {
  const errmsg = 'Write results unavailable from h:1 :: caused by :: connection closed';
  await using at = await answering({
    hello: HELLO,
    ismaster: HELLO,
    insert: { ok: 1, n: 0, writeErrors: [{ index: 0, code: 6, errmsg }] },
    drop: failed(202),
  });
  const documents = [Buffer.from(BSON.serialize({ _id: 1 }))];
  const insert = writeBatch(at.destination, { op: 'insert', ...namespace, documents });
  await expect(insert).rejects.toThrow(DestinationUnavailableError);
  expect(at.destination.hasUnanswered).toBe(true);
  expect(at.destination.hasUnansweredStructure).toBe(false);
  await expect(at.destination.write('b', 'drop', { drop: 'c' })).rejects.toThrow(
    DestinationUnavailableError,
  );
  expect(at.destination.hasUnansweredStructure).toBe(true);
});

/** How `$currentOp` lists the thread that builds both. */
const thread = (coll: string): Document => ({
  type: 'op',
  desc: 'IndexBuildsCoordinatorMongod-0',
  active: true,
  op: 'command',
  ns: `b.${coll}`,
  command: { createIndexes: coll, indexes: [A, B] },
});

test('C2: a build that goes on by itself is found by its thread, also of a time series', () => {
  const names = ['a_1', 'b_1'];
  expect(buildOf(thread('c'), [namespace])).toEqual({ ...namespace, names });
  expect(buildOf(thread('system.buckets.c'), [namespace])).toEqual({ ...namespace, names });
  expect(buildOf(thread('d'), [namespace])).toBeNull();
  expect(buildOf({ ...thread('c'), active: false }, [namespace])).toBeNull();
  expect(buildOf({ type: 'idleCursor', ns: 'b.c' }, [namespace])).toBeNull();
});

/**
 * A server that lists those operations beside the connection that was opened to be listed.
 * @param at given how often it was asked before
 */
function listing(
  at: (looks: number) => readonly Document[],
  opened: (name: string) => void = () => undefined,
): Answers {
  let witness = '';
  let looks = 0;
  return {
    ismaster: ({ client }) => {
      const name = String(client?.application?.name ?? '');
      opened(name);
      if (name.startsWith('linkspan-witness-')) witness = name;
      return null;
    },
    aggregate: () => {
      const firstBatch = [{ appName: witness }, ...at(looks)];
      looks += 1;
      return { cursor: { id: 0n, ns: 'admin.$cmd.aggregate', firstBatch } };
    },
  };
}

/** Proves that nothing of the session of that name is under way. @returns why it was not proven at first */
async function prove(uri: string, isNeeded: () => boolean = () => true): Promise<string[]> {
  const pending: string[] = [];
  await quiesce(
    {
      uri: async () => uri,
      connectionName: NAME,
      namespaces: [namespace],
      mayConnect: () => true,
      isNeeded: async () => isNeeded(),
      onPending: (reason) => pending.push(reason),
    },
    AbortSignal.timeout(20_000),
  );
  return pending;
}

test('C2: it is aborted over connections of the name that must be gone', async () => {
  const dropped: Document[] = [];
  const names: string[] = [];
  const looks = [[thread('c')], [{ appName: NAME }]];
  await using at = await answering({
    ...listing(
      (look) => looks[look] ?? [],
      (name) => names.push(name),
    ),
    dropIndexes: (command) => {
      dropped.push(command);
      return dropped.length === 1 ? 'cut' : {};
    },
  });
  expect(await prove(at.uri)).toEqual([
    'an index build is being aborted',
    '1 connections are still open at the server',
  ]);
  expect(dropped[0]).toMatchObject({
    dropIndexes: 'c',
    index: ['a_1', 'b_1'],
    writeConcern: { w: 'majority', j: true },
  });
  expect(names).toContain(NAME);
});

test('C2: once another node has proven it no build is aborted any more', async () => {
  const dropped: Document[] = [];
  await using at = await answering({
    ...listing(() => [thread('c')]),
    dropIndexes: (command) => {
      dropped.push(command);
      return {};
    },
  });
  const needed = [true, false];
  await prove(at.uri, () => needed.shift() ?? false);
  expect(needed).toEqual([]);
  expect(dropped).toEqual([]);
});

test('C2: a build that somebody else who is connected asks for is left alone', async () => {
  const dropped: unknown[] = [];
  const asked: Document = { ...thread('c'), desc: 'conn7', client: '10.0.0.1:4711' };
  const { indexes } = asked['command'];
  const ours = { ...thread('c'), command: { createIndexes: 'c', indexes: [A] } };
  const looks = [
    // Some drivers say no name.
    [thread('c'), asked],
    [thread('c'), { ...asked, appName: 'mongosh' }],
    [
      { ...thread('system.buckets.c'), command: { createIndexes: 'system.buckets.c', indexes } },
      { ...asked, appName: 'mongosh' },
      ours,
    ],
    [thread('c'), { ...asked, appName: `${NAME}-1` }],
  ];
  for (const operations of looks) {
    await using at = await answering({
      ...listing((look) => (look === 0 ? operations : [])),
      dropIndexes: ({ index }) => {
        dropped.push(index);
        return {};
      },
    });
    await prove(at.uri);
  }
  expect(dropped.slice(0, 1), 'only what is not theirs').toEqual(['a_1']);
  expect(dropped.slice(1), 'of the session itself').toContainEqual(['a_1', 'b_1']);
});
