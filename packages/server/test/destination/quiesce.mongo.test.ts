import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startMongoDB, type MongoDB } from '@linkspan/testkit/mongodb.ts';

import { Destination } from '../../src/destination/destination.ts';
import { quiesce } from '../../src/destination/quiesce.ts';

const DOCUMENTS = 90_000;

let mongo: MongoDB;
beforeAll(async () => {
  mongo = await startMongoDB({ name: 'destination' });
});
afterAll(async () => {
  await mongo?.stop();
});

const mayConnect = (): boolean => true;
const uri = async (): Promise<string> => mongo.uri;
const isNeeded = async (): Promise<boolean> => true;
const count = (): Promise<number> => mongo.client().db('q').collection('c').countDocuments();

test('nothing lands after it returns, though the writer was killed in mid-insert (C2, D14)', async () => {
  const writer = fileURLToPath(new URL('./largeInsert.ts', import.meta.url));
  const connectionName = 'linkspan-test-killed';
  const child = spawn(process.execPath, [writer, mongo.uri, connectionName, String(DOCUMENTS)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  while ((await count()) === 0);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const pending: string[] = [];
  await quiesce(
    {
      uri,
      connectionName,
      namespaces: [{ db: 'q', coll: 'c' }],
      mayConnect,
      isNeeded,
      onPending: (reason) => pending.push(reason),
    },
    AbortSignal.timeout(150_000),
  );
  const landed = await count();
  await mongo.client().db('q').collection('c').insertOne({ after: true });
  expect(pending[0]).toMatch(/connections are still open/);
  expect(await count()).toBe(landed + 1);
});

test('an open connection of that name is not taken for a proof', async () => {
  const standing = new Destination({
    cluster: 'target',
    uri: mongo.uri,
    connectionName: 'linkspan-test-standing',
    mayConnect,
    guard: (send) => send(),
  });
  await standing.write('q', 'insert', { insert: 'c', documents: [{ _id: 'standing' }] });
  const giveUp = new AbortController();
  const options = {
    uri,
    connectionName: 'linkspan-test-standing',
    namespaces: [],
    mayConnect,
    isNeeded,
  };
  await expect(
    quiesce({ ...options, onPending: () => giveUp.abort(new Error('given up')) }, giveUp.signal),
  ).rejects.toThrow('given up');
  await standing.close();
  await quiesce(options, AbortSignal.timeout(20_000));
});

test('a cluster that cannot be reached is never proven; the signal ends the waiting', async () => {
  const giveUp = new AbortController();
  const reasons: string[] = [];
  await expect(
    quiesce(
      {
        uri: async () => 'mongodb://user:secret@127.0.0.1:1/?serverSelectionTimeoutMS=200',
        connectionName: 'x',
        namespaces: [],
        mayConnect: () => false,
        isNeeded,
        onPending: (reason) => {
          reasons.push(reason);
          giveUp.abort(new Error('given up'));
        },
      },
      giveUp.signal,
    ),
  ).rejects.toThrow('given up');
  expect(reasons.join()).not.toContain('secret');
});
