import { failCommands, healCommands, UNAUTHORIZED } from '@linkspan/testkit/failPoints.ts';
import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';
import { BSON, MongoClient, type CommandStartedEvent } from 'mongodb';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { Destination } from '../../src/destination/destination.ts';
import { DestinationRefusedError } from '../../src/destination/errors.ts';
import {
  enforcesFence,
  FENCE_LANES,
  isFencedOff,
  laneId,
  raiseFence,
} from '../../src/destination/fence.ts';
import { proveGone } from '../../src/destination/proof.ts';
import { writeBatch, type BatchResult } from '../../src/destination/writer.ts';

const MIGRATION = 'a'.repeat(24);
const mayConnect = (): boolean => true;
const uri = async (): Promise<string> => mongo.uri;
const isNeeded = async (): Promise<boolean> => true;

let mongo: MongoDB;
const opened: Destination[] = [];
beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
});
afterAll(async () => {
  for (const one of opened) await one.close();
  await mongo?.stop();
});

function connected(lastCheck?: () => void): Destination {
  const destination = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-fence',
    mayConnect,
    guard: (send) => send(),
    ...(lastCheck === undefined ? {} : { lastCheck }),
  });
  opened.push(destination);
  return destination;
}

const insert = (destination: Destination, ...ids: number[]): Promise<BatchResult> =>
  writeBatch(destination, {
    op: 'insert',
    db: 'f',
    coll: 'c',
    documents: ids.map((_id) => Buffer.from(BSON.serialize({ _id }))),
  });
const count = (): Promise<number> => mongo.client().db('f').collection('c').countDocuments();

test('D14: documents carry the number of their epoch, in sessions that every process makes alike', async () => {
  const seen: { lsid: string; epoch: number; counter: number }[] = [];
  const inEpoch = (epoch: number): Destination => {
    const destination = connected();
    destination.useFence({ migrationId: MIGRATION, epoch });
    destination.client.on('commandStarted', ({ commandName, command }: CommandStartedEvent) => {
      if (commandName !== 'insert') return;
      const { high, low } = command['txnNumber'] as { high: number; low: number };
      seen.push({ lsid: command['lsid'].id.toString('hex'), epoch: high, counter: low });
    });
    return destination;
  };
  const [older, newer] = [inEpoch(1), inEpoch(2)];
  await insert(older, 1);
  await insert(older, 2);
  await insert(newer, 3);
  await Promise.all([insert(newer, 4), insert(newer, 5)]);
  const lanes = [0, 1].map((lane) => laneId(MIGRATION, lane).toString('hex'));
  expect(seen.slice(0, 3)).toEqual([
    { lsid: lanes[0], epoch: 1, counter: 1 },
    { lsid: lanes[0], epoch: 1, counter: 2 },
    { lsid: lanes[0], epoch: 2, counter: 1 },
  ]);
  expect(new Set(seen.slice(3).map(({ lsid }) => lsid)), 'one command at a time in each').toEqual(
    new Set(lanes),
  );
  expect(await count()).toBe(5);
});

test('D14: whether the fence is enforced is found by trying, and raising it leaves nothing', async () => {
  expect(await enforcesFence(mongo.client())).toBe(mongo.capabilities.transactionOrder);
  const fence = { migrationId: MIGRATION, epoch: 3 };
  await raiseFence({ uri, mayConnect, fence, isNeeded }, AbortSignal.timeout(20_000));
  const { databases } = await mongo.client().db('admin').admin().listDatabases();
  expect(databases.map(({ name }) => name)).not.toContain('linkspan_fences');
  expect(
    new Set(Array.from({ length: FENCE_LANES }, (_, lane) => laneId('x', lane).toString('hex'))),
  ).toHaveLength(FENCE_LANES);
});

test('D14: once the fence is raised a write of an older epoch is refused', async (context) => {
  if (!mongo.capabilities.transactionOrder) {
    context.skip('needs a destination that enforces the order of transaction numbers');
  }
  const stale = connected();
  stale.useFence({ migrationId: MIGRATION, epoch: 3 });
  const fence = { migrationId: MIGRATION, epoch: 4 };
  await raiseFence({ uri, mayConnect, fence, isNeeded }, AbortSignal.timeout(20_000));
  const before = await count();
  const refused = await insert(stale, 100).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(DestinationRefusedError);
  expect(isFencedOff((refused as DestinationRefusedError).code)).toBe(true);
  expect(await count()).toBe(before);
});

test('I1: a fence that somebody else raises while a connection is waited for is not written again', async (context) => {
  if (!mongo.capabilities.failCommand) context.skip('needs failCommand');
  const needed = [true, false];
  const pending: string[] = [];
  const options = {
    uri,
    mayConnect,
    fence: { migrationId: MIGRATION, epoch: 9 },
    isNeeded: async () => needed.shift() ?? false,
    onPending: (reason: string) => pending.push(reason),
  };
  await failCommands(mongo, { failCommands: ['update'], errorCode: UNAUTHORIZED });
  try {
    await raiseFence(options, AbortSignal.timeout(20_000));
  } finally {
    await healCommands(mongo);
  }
  expect({ needed, pending }).toEqual({ needed: [], pending: [] });
});

test('D14, I1: a cluster that has become sharded is proven by its connections: one shard alone has the fence', async () => {
  const hello = {
    isWritablePrimary: true,
    msg: 'isdbgrid',
    minWireVersion: 0,
    maxWireVersion: 21,
    logicalSessionTimeoutMinutes: 30,
  };
  await using proxy = await startAnsweringProxy(Number(/:(\d+)\//.exec(mongo.uri)?.[1]), { hello });
  const left = {
    uri: async () => `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`,
    connectionName: 'linkspan-test-left',
    namespaces: [],
    mayConnect,
    isNeeded,
    fence: { migrationId: MIGRATION, epoch: 20 },
    hasStructure: false,
  };
  // What it has under way may be at any shard.
  const standing = new MongoClient(mongo.uri, { appName: left.connectionName });
  let isProven = false;
  const pending: string[] = [];
  const onPending = (reason: string) => void pending.push(reason);
  try {
    await standing.db('admin').command({ ping: 1 });
    const proof = proveGone({ ...left, onPending }, AbortSignal.timeout(20_000)).then(() => {
      isProven = true;
    });
    await expect.poll(() => pending.length > 0 || isProven, { timeout: 10_000 }).toBe(true);
    expect({ isProven, pending: pending[0] }).toEqual({
      isProven: false,
      pending: expect.stringContaining('connections are still open') as string,
    });
    await standing.close(true);
    await proof;
  } finally {
    await standing.close(true);
  }
});

test('C14: what may not be written any more is stopped when its connection is there, and was not sent', async () => {
  let isOver = false;
  const destination = connected(() => {
    if (isOver) throw new Error('the lease is over');
  });
  await insert(destination, 200);
  isOver = true;
  const before = await count();
  await expect(insert(destination, 201)).rejects.toThrow('the lease is over');
  await expect(destination.write('f', 'drop f.c', { drop: 'c' })).rejects.toThrow('lease is over');
  expect(await count()).toBe(before);
  expect(destination.hasUnanswered).toBe(false);
  isOver = false;
  expect(await insert(destination, 202)).toMatchObject({ written: 1 });
});
