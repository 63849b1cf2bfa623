import { eventually } from '@linkspan/testkit/eventually.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

import * as pushSessions from '../../src/store/pushSessions.ts';
import { startPush, TestHost, type TestPush } from './push.ts';

let push: TestPush;
let host: TestHost;
beforeAll(async () => {
  push = await startPush();
  host = new TestHost(push.url);
  expect((await host.register(push.token)).status).toBe(200);
});
afterAll(async () => {
  await push?.[Symbol.asyncDispose]();
});

test('C14: a session whose lease was ended in the store is ended here, and settled', async () => {
  const { db } = push.store;
  const migrationId = await push.makeMigration(host);
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  await db.updateTable('push_sessions').set({ lease_until: '' }).execute();
  await eventually(async () => {
    const row = await pushSessions.find(db, session.opened.sessionId);
    expect(row?.state).toBe('SETTLED');
  });
  expect((await session.documents({}, [{ _id: 1 }])).code).toBe('SESSION_UNKNOWN');
  const next = await host.session(migrationId);
  expect((await next.documents({}, [{ _id: 1 }])).json).toMatchObject({ written: 1 });
});

test('C1, I5: a look at the store ends what was removed, ended or replaced by another node', async () => {
  const { db } = push.store;
  const migrationId = await push.makeMigration(host);
  const session = await host.session(migrationId);
  // As another node does it: nothing of this process is told.
  await db
    .updateTable('live_migrations')
    .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
    .where('id', '=', migrationId)
    .execute();
  await eventually(async () => {
    const row = await pushSessions.find(db, session.opened.sessionId);
    expect(row?.state).toBe('SETTLED');
  });
  expect((await session.documents({}, [{ _id: 1 }])).code).toBe('SESSION_FENCED');
});

test('a request that says that another node handed it on is refused unless one did', async () => {
  const inventory = { hostname: 'h', agentVersion: '1', projects: [] };
  const forged = {
    'linkspan-forwarded': `${push.store.nodeId} ${Date.now()} 192.0.2.1 ${'00'.repeat(32)}`,
  };
  expect(await host.post('/inventory', inventory, forged)).toMatchObject({
    status: 503,
    code: 'NODE_UNAVAILABLE',
  });
});

test('a load balancer is told whether the node is ready, and a supervisor that it lives', async () => {
  const ask = async (path: string) => (await fetch(push.url() + path)).status;
  expect(await ask('/api/linkspan/v1/ready')).toBe(200);
  expect(await ask('/api/linkspan/v1/live')).toBe(200);
});
