import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { WorkReply } from '@linkspan/contract/push/work.ts';
import { PUSH_VERSION, VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { failCommands } from '@linkspan/testkit/failPoints.ts';
import { Int32 } from 'mongodb';
import { beforeEach, expect, test } from 'vitest';

import type { Principal } from '../../src/domain/access.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { READY } from '../support/progress.ts';
import { anotherHost } from './copying.ts';
import {
  HOLD_MS,
  holdBack,
  LANDING_MS,
  untilRunning,
  numbered,
  operationContext,
  ownerOf,
  stored,
  TestHost,
  type TestSession,
  host,
  push,
  withHost,
} from './push.ts';

withHost();

let id: string;
let groupId: string;

beforeEach(async () => {
  await push.mongo.client().db('app').dropDatabase();
  id = await push.makeMigration(host);
  groupId = (await migration()).project_id;
});

const migration = async () => (await liveMigrations.find(push.store.db, id))!;

const progress: Progress = { ...READY, lagSeconds: 60, keysPending: 7 };

const principal = (): Principal => ownerOf(push);

/** The operations over the server's own store and gateway. */
function control(waitMs?: number): LiveMigrationControl {
  return new LiveMigrationControl(operationContext(push, waitMs));
}

const holdInsertBack = (blockTimeMS: number) => holdBack(push, ['insert'], blockTimeMS);

const untilInserting = (session: TestSession) => untilRunning(push, session, 'insert');

const isPausedInWork = async (): Promise<unknown> => {
  const answer = await host.post('/work', { knownRevision: null, waitSeconds: 0 });
  const { work } = answer.json as unknown as WorkReply;
  return work.find((item) => item.id === id);
};

test('once a pause is answered no batch is accepted, in no session, until it goes on', async () => {
  const session = await host.session(id);
  await session.collection('app', 'c');
  expect((await session.documents({}, numbered(1))).json).toMatchObject({
    written: 1,
    destinationMs: expect.any(Number) as number,
  });
  await control().pause(principal(), groupId, id);
  const refused = { status: 503, code: 'MIGRATION_PAUSED' };
  expect(await session.documents({ seq: 2 }, numbered(2))).toMatchObject(refused);
  expect(await session.collection('app', 'd')).toMatchObject(refused);
  expect(await session.post('report', progress)).toMatchObject(refused);
  expect(await host.open(id)).toMatchObject(refused);
  expect(await isPausedInWork()).toMatchObject({ paused: true });
  await push.restart();
  expect(await session.documents({ seq: 2 }, numbered(2))).toMatchObject(refused);
  expect(await host.open(id)).toMatchObject(refused);
  expect(await stored(push)).toEqual([{ _id: 1 }]);

  await control().resume(principal(), groupId, id);
  expect(await isPausedInWork()).toMatchObject({ paused: false });
  const next = await host.session(id);
  expect((await next.documents({}, numbered(2))).json).toMatchObject({ written: 1 });
  expect((await session.documents({ seq: 2 }, numbered(3))).code).toBe('SESSION_FENCED');
  expect(await stored(push)).toEqual([{ _id: 1 }, { _id: 2 }]);
});

test('a pause lets what was under way land before it is answered', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdInsertBack(LANDING_MS);
  const write = session.documents({ lane: 1 }, numbered(1));
  await untilInserting(session);
  const paused = control().pause(principal(), groupId, id);
  await expect
    .poll(async () => (await session.documents({ lane: 2 }, numbered(2))).code)
    .toBe('MIGRATION_PAUSED');
  await paused;
  expect(await stored(push)).toEqual([{ _id: 1 }]);
  expect((await write).status).toBe(200);
});

const INDEXED = {
  action: 'collection',
  db: 'app',
  coll: 'c',
  options: {},
  indexes: [{ name: 'a_1', key: { a: new Int32(1) } }],
} as const;

test('I4: an index whose build a pause ends too late is not taken for built', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdBack(push, ['createIndexes', 'dropIndexes'], HOLD_MS);
  const build = session.structure(INDEXED);
  await untilRunning(push, session, 'createIndexes');
  await control().pause(principal(), groupId, id);
  expect((await build).code, 'the drop that was to end it came after it').toBe('MIGRATION_PAUSED');
  await control().resume(principal(), groupId, id);
  expect((await (await host.session(id)).structure(INDEXED)).status).toBe(200);
  const indexes = await push.mongo.client().db('app').collection('c').indexes();
  expect(indexes.map(({ name }) => name)).toEqual(['_id_', 'a_1']);
});

test('C2: after a build that a primary answered as it stepped down, a new session begins', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await failCommands(push.mongo, { failCommands: ['createIndexes'], errorCode: 11_602 }, 1);
  expect((await session.structure(INDEXED)).code).toBe('SESSION_UNKNOWN');
  expect((await session.structure(INDEXED)).code).toBe('SESSION_UNKNOWN');
  expect((await (await host.session(id)).structure(INDEXED)).status).toBe(200);
});

test('one that goes on before that waits for it too, and its own session is left alone (I5)', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdInsertBack(HOLD_MS);
  const write = session.documents({}, numbered(1));
  await untilInserting(session);
  await control(50).pause(principal(), groupId, id);
  expect(await stored(push), 'a pause is answered after a while whatever comes').toEqual([]);
  await control().resume(principal(), groupId, id);
  const next = await host.session(id);
  expect(await stored(push)).toEqual([{ _id: 1 }]);
  expect((await write).status).toBe(200);
  expect((await next.documents({}, numbered(2))).json).toMatchObject({ written: 1 });
  const open = await pushSessions.listOpen(push.store.db, { migration_id: id });
  expect(open.map((row) => row.id)).toEqual([next.opened.sessionId]);
});

test('the host of a paused migration reports how it stands; nobody else, and not afterwards', async () => {
  const report = (from: TestHost) => from.post(`/migrations/${id}/paused`, progress);
  await report(host);
  expect((await migration()).progress, 'it is not paused').toBeNull();
  await control().pause(principal(), groupId, id);
  expect((await report(new TestHost(push.url))).code).toBe('LINK_REFUSED');
  expect((await report(host)).status).toBe(204);
  expect(JSON.parse((await migration()).progress ?? '')).toMatchObject({
    keysPending: 7,
    readyForCutover: false,
  });
  await control().cancel(principal(), groupId, id);
  expect((await report(host)).code).toBe('MIGRATION_NOT_ACTIVE');
});

test('an agent of the version before is told to try again', async () => {
  const version = { [VERSION_HEADER]: String(PUSH_VERSION - 1) };
  const path = `/migrations/${id}/sessions`;
  expect((await host.post(path, {}, version)).status).toBe(200);
  await control().pause(principal(), groupId, id);
  expect((await host.post(path, {}, version)).status, 'it takes each 5xx for that').toBe(503);
});

test('C2, C3: when a cancel is answered, what was under way has landed and nothing comes after', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdInsertBack(800);
  const write = session.documents({ lane: 1 }, numbered(1));
  await untilInserting(session);
  await expect(control(100).cancel(principal(), groupId, id)).rejects.toMatchObject({
    status: 503,
    message: expect.stringContaining('cluster target') as string,
  });
  expect((await session.documents({ lane: 2 }, numbered(2))).code).toBe('MIGRATION_NOT_ACTIVE');
  await control().cancel(principal(), groupId, id);
  expect(await stored(push), 'what was under way was waited for').toEqual([{ _id: 1 }]);
  expect(await pushSessions.listOpen(push.store.db, { migration_id: id })).toEqual([]);
  expect((await write).status).toBe(200);
  expect((await host.open(id)).code).toBe('MIGRATION_NOT_ACTIVE');
  expect(await isPausedInWork()).toBeUndefined();
});

test('C2: a migration to the same cluster waits for what a canceled one left under way', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdInsertBack(800);
  const write = session.documents({}, numbered(1));
  await untilInserting(session);
  await expect(control(50).cancel(principal(), groupId, id)).rejects.toMatchObject({ status: 503 });
  const successor = await push.makeMigration(host, { drop_destination_data: 1 });
  await host.session(successor);
  expect(await stored(push), 'dropped after it had landed').toEqual([]);
  expect((await write).status).toBe(200);
});

test('an agent that knows no names is given nothing that has them: it would move everything', async () => {
  const namespaces = { include: ['shop'], exclude: [], rename: [] };
  const throttle = { bytesPerSecond: 5, documentsPerSecond: null };
  const named = await push.makeMigration(host, {
    namespaces: JSON.stringify(namespaces),
    throttle: JSON.stringify(throttle),
  });
  const workOf = async (version: number): Promise<WorkReply['work']> => {
    const headers = { [VERSION_HEADER]: String(version) };
    const answer = await host.post('/work', { knownRevision: null, waitSeconds: 0 }, headers);
    return (answer.json as unknown as WorkReply).work;
  };
  const given = (await workOf(PUSH_VERSION)).find((item) => item.id === named);
  expect(given).toMatchObject({ namespaces, throttle });
  const old = await workOf(2);
  expect(old.map((item) => item.id)).toContain(id);
  expect(old.map((item) => item.id)).not.toContain(named);
});

test('D23: a write block that a host reports is given to the host that has the migration after it, until that lifts it', async () => {
  const given = async (to: TestHost): Promise<WorkReply['work'][number] | undefined> => {
    const answer = await to.post('/work', { knownRevision: null, waitSeconds: 0 });
    return (answer.json as unknown as WorkReply).work.find((item) => item.id === id);
  };
  const left = { writeBlockLeft: true };
  const session = await host.session(id);
  const say = async (to: TestSession, sourceWriteBlock?: boolean): Promise<void> => {
    const report = { ...progress, ...(sourceWriteBlock !== undefined && { sourceWriteBlock }) };
    expect((await to.post('report', report)).status).toBe(204);
  };
  await say(session, true);
  expect(await given(host)).not.toHaveProperty('writeBlockLeft');
  const next = await anotherHost(push);
  const to = { host_id: next.hostId, hostname: 'next' };
  await liveMigrations.setHost(push.store.db, await migration(), to, '{}');
  expect(await given(next)).toMatchObject(left);
  // The one before is not heard any more, and the next one may have nothing to say of it yet.
  await session.post('report', { ...progress, sourceWriteBlock: false });
  const following = await next.session(id);
  await say(following);
  expect(await given(next)).toMatchObject(left);
  await say(following, true);
  await say(following, false);
  expect(await given(next)).not.toHaveProperty('writeBlockLeft');
  expect((await migration()).write_block_host_id).toBeNull();
});

test('D23: a host that has lost a live migration is told where it is, and who answers for its write block', async () => {
  const status = async (): Promise<unknown> =>
    (await host.post(`/migrations/${id}/status`, {})).json;
  const session = await host.session(id);
  await session.post('report', { ...progress, sourceWriteBlock: true });
  expect(await status()).toEqual({ status: 'WORKING' });
  const next = await anotherHost(push);
  const to = { host_id: next.hostId, hostname: 'next' };
  await liveMigrations.setHost(push.store.db, await migration(), to, '{}');
  const elsewhere = { status: 'WORKING', elsewhere: true };
  expect(await status()).toEqual({ ...elsewhere, writeBlockLeft: true });
  await (await next.session(id)).post('report', { ...progress, sourceWriteBlock: true });
  expect(await status()).toEqual(elsewhere);
  const foreign = await push.makeMigration(host, { link_id: null });
  expect(await host.post(`/migrations/${foreign}/status`, {})).toMatchObject({
    code: 'MIGRATION_NOT_ACTIVE',
  });
});

test('D23, Hazard 15: what a host told of a cutover is not taken any more once it was answered that it is not', async () => {
  const path = `/migrations/${id}/status`;
  const early = await host.session(id);
  await early.post('report', progress);
  const cutoverAttempt = (await liveMigrations.requestCutover(push.store.db, id))!;
  const complete = (session: TestSession) =>
    session.post('complete', { cutoverAttempt, verified: { collections: 1, documents: 2 } });
  expect((await host.post(path, { fence: true })).json).toEqual({ status: 'WORKING' });
  expect(await complete(early)).toMatchObject({ code: 'SESSION_FENCED' });
  const late = await host.session(id);
  expect((await complete(late)).status).toBe(204);
  expect((await host.post(path, { fence: true })).json).toEqual({ status: 'COMPLETE' });
});

test('a number that no store keeps as it is, is refused for what it is', async () => {
  const session = await host.session(id);
  await push.store.db
    .updateTable('live_migrations')
    .set({ status: 'WORKING', cutover_attempt: 1 })
    .execute();
  const verified = { collections: 0, documents: 0 };
  for (const [path, message] of [
    ['report', { ...progress, keysPending: 1e300 }],
    ['complete', { cutoverAttempt: 1e300, verified }],
    ['cutoverFailed', { cutoverAttempt: 1e300, reason: 'test' }],
  ] as const) {
    const { code, json } = await session.post(path, message);
    expect(code, path).toBe('MESSAGE_INVALID');
    expect(json['detail'], path).toContain(String(Number.MAX_SAFE_INTEGER));
  }
});
