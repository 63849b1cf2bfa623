import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { MongoClient } from 'mongodb';
import { expect, test } from 'vitest';

import { startMongoDB } from '../src/mongodb.ts';

test('a server keeps majority-journaled writes over kill and restart', async () => {
  await using server = await startMongoDB();
  const collection = server.client().db('kit').collection<{ _id: number }>('things');
  await collection.insertOne({ _id: 1 }, { writeConcern: { w: 'majority', journal: true } });
  await server.kill();
  await server.restart();
  expect(await collection.countDocuments()).toBe(1);
});

test('with auth, a client without credentials is refused', async () => {
  await using server = await startMongoDB({ auth: { username: 'us er', password: 'p@ss:/word' } });
  expect(await server.client().db('kit').command({ ping: 1 })).toMatchObject({ ok: 1 });
  await using stranger = new MongoClient(server.uri.replace(/\/\/.*@/, '//'));
  await expect(stranger.db('kit').collection('things').countDocuments()).rejects.toThrow(/auth/i);
});

test('a server dies with the process that started it', async () => {
  const kit = fileURLToPath(new URL('../src/mongodb.ts', import.meta.url));
  const script = `
    import { startMongoDB } from ${JSON.stringify(kit)};
    const server = await startMongoDB();
    console.log(server.uri);
    process.kill(process.pid, 'SIGKILL');`;
  const ended = promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
  const { stdout } = await ended.catch((error: { stdout: string }) => error);
  const orphan = new MongoClient(stdout.trim(), { serverSelectionTimeoutMS: 500 });
  await expect
    .poll(() =>
      orphan
        .db('kit')
        .command({ ping: 1 })
        .catch((error: Error) => error.name),
    )
    .toBe('MongoServerSelectionError');
  await orphan.close();
});
