import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as migrationNamespaces from '../../src/store/migrationNamespaces.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { startPush, TestHost, type TestPush } from './push.ts';

const DOCUMENTS = 60_000;

let push: TestPush;
beforeAll(async () => {
  push = await startPush();
});
afterAll(async () => {
  await push?.[Symbol.asyncDispose]();
});

test('a session opens only when what a killed server left under way has landed (I3, I5)', async () => {
  const host = new TestHost(push.url);
  await host.register(push.token);
  const migrationId = await push.makeMigration(host, { epoch: 1, status: 'WORKING' });
  const connectionName = 'linkspan-test-earlier';
  const id = newId();
  const cluster_id = (
    await push.store.db.selectFrom('clusters').select('id').executeTakeFirstOrThrow()
  ).id;
  await pushSessions.insert(push.store.db, {
    id,
    migration_id: migrationId,
    link_id: push.linkId,
    cluster_id,
    epoch: 1,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: connectionName,
    opened_at: timestamp(),
  });
  await migrationNamespaces.add(push.store.db, { migration_id: migrationId, db: 'q', coll: 'c' });

  const writer = fileURLToPath(new URL('../destination/largeInsert.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [writer, push.mongo.uri, connectionName, String(DOCUMENTS)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  const landed = (): Promise<number> =>
    push.mongo.client().db('q').collection('c').countDocuments();
  while ((await landed()) === 0);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const session = await host.session(migrationId);
  const then = await landed();
  const reply = await session.documents({ db: 'q', coll: 'c' }, [{ _id: 'after' }]);
  expect(reply.json).toMatchObject({ written: 1 });
  expect(await landed()).toBe(then + 1);
  expect((await pushSessions.find(push.store.db, id))?.state).toBe('SETTLED');
});
