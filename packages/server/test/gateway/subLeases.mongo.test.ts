import { eventually } from '@linkspan/testkit/eventually.ts';
import { SUB_LEASE_MS, type OfferedRange } from '@linkspan/contract/push/ranges.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { BSON } from 'mongodb';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';

import { timestamp } from '../../src/domain/time.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import {
  anotherHost,
  CopyingSession,
  range,
  sayRanges,
  SOURCE,
  takeRange,
  workOf,
  type Standings,
} from './copying.ts';
import {
  HOLD_MS,
  holdBack,
  LANDING_MS,
  numbered,
  operationContext,
  ownerOf,
  startPush,
  stored,
  untilRunning,
  TestHost,
  type Answer,
  type TestPush,
  type TestSession,
} from './push.ts';

let push: TestPush;
let tracking: TestHost;
let copying: TestHost;
let migrationId: string;
let session: TestSession;
let seq: number;

beforeAll(async () => {
  push = await startPush();
  tracking = new TestHost(push.url);
  await tracking.register(push.token);
});
afterAll(async () => {
  await push?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await push.mongo.client().db('app').dropDatabase();
  copying = await anotherHost(push);
  migrationId = await push.makeMigration(tracking, { source: SOURCE });
  session = await tracking.session(migrationId);
  await session.collection('app', 'c');
  seq = 0;
});
afterEach(async () => {
  const { db } = push.store;
  await liveMigrations.setEnded(db, migrationId, 'FAILED', 'test', timestamp());
  await push.gateway.settleMigration(migrationId, AbortSignal.timeout(10_000));
  await db.deleteFrom('migration_hosts').where('id', '!=', tracking.hostId).execute();
});

async function say(ranges: readonly OfferedRange[], time?: bigint): Promise<Answer> {
  seq += 1;
  return sayRanges(session, seq, ranges, time);
}

async function exchange(ranges: readonly OfferedRange[], time?: bigint): Promise<Standings> {
  const answer = await say(ranges, time);
  if (answer.status !== 200) throw new Error(answer.bytes.toString());
  return BSON.deserialize(answer.bytes, { useBigInt64: true }) as Standings;
}

const take = (host = copying, of = session): Promise<CopyingSession | null> => takeRange(host, of);

async function taken(): Promise<CopyingSession> {
  await exchange([range(1)]);
  const lease = await take();
  if (lease === null) throw new Error('no range was offered');
  return lease;
}

const states = ({ ranges }: Standings) => ranges.map(({ state }) => state);
const holdInsertBack = (ms = HOLD_MS) => holdBack(push, ['insert'], ms);
const untilInserting = () => untilRunning(push, session, 'insert');

test('a range is given as work to hosts that read the source, copied by one of them, and done', async () => {
  expect(await workOf(copying)).toEqual([]);
  expect(await exchange([range(1, { position: BSON.serialize({ _id: 1 }) })])).toMatchObject({
    hosts: 1,
    copying: 0,
    ranges: [{ id: 1, state: 'OFFERED' }],
  });
  expect(await workOf(copying)).toMatchObject([
    { kind: 'copy', id: session.opened.sessionId, migrationId },
  ]);
  const lease = await take();
  expect(lease?.granted).toMatchObject({
    db: 'shop',
    toColl: 'c',
    since: 5n << 32n,
    sourceIdentity: 'replicaSet:rs0:',
  });
  expect(await take(), 'nothing is left').toBeNull();
  expect((await lease?.documents({}, numbered(1, 2)))?.json).toMatchObject({ written: 2 });
  const key = BSON.serialize({ _id: 2 });
  expect((await lease?.report({ position: key, documents: 2, bytes: 9 }))?.status).toBe(200);
  expect(await exchange([range(1)])).toMatchObject({
    copying: 1,
    ranges: [{ state: 'TAKEN', documents: 2, bytes: 9 }],
  });
  // One that comes late takes nothing back.
  await lease?.report();
  await lease?.report({ position: key, documents: 2, bytes: 9, end: 'DONE' });
  expect(await exchange([range(1)])).toMatchObject({
    copying: 0,
    ranges: [{ state: 'DONE', documents: 2 }],
  });
  expect(await workOf(copying), 'the tracking host has nothing more to say').toEqual([]);
  expect((await lease?.documents({}, numbered(3)))?.code).toBe('SUB_LEASE_ENDED');
  expect(await stored(push)).toEqual([{ _id: 1 }, { _id: 2 }]);
  await exchange([]);
  expect(await workOf(copying)).toEqual([]);
});

test('D7: what a host has read is let through once the tracking host has passed it', async () => {
  const lease = await taken();
  const waiting = lease.report({ waitFor: 11n << 32n });
  const heard = await exchange([range(1)], 10n);
  expect(heard.waitedFor).toBe(11n << 32n);
  const told = exchange([range(1)], 11n);
  const reply = BSON.deserialize((await waiting).bytes, { useBigInt64: true });
  expect(reply).toEqual({ tracked: { time: 11n << 32n, through: true }, copying: 1 });
  await told;
  // It has passed a later time, and the name is another's: both in one list.
  const late = lease.report({ waitFor: 12n << 32n });
  await exchange([range(1, { takeBack: 'NOW' })], 12n);
  expect((await late).code).toBe('SUB_LEASE_ENDED');
  expect((await lease.documents({}, numbered(1))).code).toBe('SUB_LEASE_ENDED');
  expect(await stored(push)).toEqual([]);
});

test('C9, C12: a sub-lease opens nothing but inserts into the collection of its range', async () => {
  const lease = await taken();
  await session.collection('app', 'd');
  const code = async (answer: Promise<Answer>) => (await answer).code;
  expect(await code(lease.documents({ coll: 'd' }, numbered(1)))).toBe('NAMESPACE_REFUSED');
  expect(await code(lease.documents({ op: 'delete' }, numbered(1)))).toBe('MESSAGE_INVALID');
  expect(await code(lease.documents({ buckets: true }, numbered(1)))).toBe('MESSAGE_INVALID');
  const other = await anotherHost(push);
  const stolen = new CopyingSession(other, session.opened.sessionId, lease.granted);
  expect(await code(stolen.documents({}, numbered(1)))).toBe('SUB_LEASE_ENDED');
  const guessed = new CopyingSession(copying, session.opened.sessionId, {
    ...lease.granted,
    secret: '0'.repeat(64),
  });
  expect(await code(guessed.documents({}, numbered(1)))).toBe('SUB_LEASE_ENDED');
  const id = lease.granted['id'] as string;
  const asSession = { [SESSION_HEADER]: `${id}.${lease.granted['secret']}` };
  const path = `/sessions/${session.opened.sessionId}/structure`;
  const drop = BSON.serialize({ action: 'drop', db: 'app', coll: 'c' });
  expect((await copying.post(path, drop, asSession)).code).toBe('SESSION_UNKNOWN');
  await expect(take(tracking)).rejects.toThrow('SESSION_UNKNOWN');
  expect(await code(say([range(2, { toDb: 'admin' })]))).toBe('NAMESPACE_REFUSED');
  expect(states(await exchange([range(1), range(2, { toColl: 'never' })])), 'D11').toEqual([
    'TAKEN',
    'RETURNED',
  ]);
  expect(await stored(push)).toEqual([]);
});

test('a host that does not read the source, or is not in touch, is neither counted nor given a range', async () => {
  const { db } = push.store;
  await db
    .updateTable('migration_hosts')
    .set({ inventory: '[]' })
    .where('id', '=', copying.hostId)
    .execute();
  const lost = await anotherHost(push);
  const heartbeat = timestamp(new Date(Date.now() - 3_600_000));
  await db
    .updateTable('migration_hosts')
    .set({ heartbeat_at: heartbeat })
    .where('id', '=', lost.hostId)
    .execute();
  expect((await exchange([range(1)])).hosts).toBe(0);
  expect(await workOf(copying)).toEqual([]);
  await expect(take()).rejects.toThrow('MIGRATION_NOT_ACTIVE');
});

test('D16: a drop waits for what a host has under way of the collection, and nothing follows it', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const lease = await taken();
  await holdInsertBack(LANDING_MS);
  const write = lease.documents({}, numbered(1));
  await untilInserting();
  const dropped = session.structure({ action: 'drop', db: 'app', coll: 'c' });
  await eventually(async () => expect((await lease.report()).code).toBe('SUB_LEASE_ENDED'));
  expect((await lease.documents({ lane: 1 }, numbered(2))).code).toBe('SUB_LEASE_ENDED');
  expect((await dropped).status).toBe(200);
  expect((await write).json).toMatchObject({ written: 1 });
  expect(await stored(push), 'the insert has landed before').toEqual([]);
  // A list that was made before the drop: nothing can be offered of what is gone.
  expect(states(await exchange([range(1), range(2)]))).toEqual(['RETURNED', 'RETURNED']);
});

test('a range that is taken back is the tracking host’s once nothing of it is under way', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const lease = await taken();
  const wanted = [range(1, { takeBack: 'IF_FREE' }), range(2, { takeBack: 'IF_FREE' })];
  expect(states(await exchange(wanted))).toEqual(['TAKEN', 'RETURNED']);
  await holdInsertBack();
  const write = lease.documents({}, numbered(1));
  await untilInserting();
  const back = [range(1, { takeBack: 'NOW' })];
  expect(states(await exchange(back)), 'it is being written').toEqual(['TAKEN']);
  expect((await write).json).toMatchObject({ written: 1 });
  expect(states(await exchange(back))).toEqual(['RETURNED']);
  expect(await stored(push)).toEqual([{ _id: 1 }]);
});

test('a host that is silent loses its range from what it has reported', async () => {
  const lease = await taken();
  await lease.documents({}, numbered(1));
  const key = BSON.serialize({ _id: 1 });
  await lease.report({ position: key, documents: 1, bytes: 14 });
  const now = performance.now();
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now + SUB_LEASE_MS + 100);
  try {
    expect((await lease.documents({}, numbered(2))).code).toBe('SUB_LEASE_ENDED');
  } finally {
    clock.mockRestore();
  }
  expect(await exchange([range(1)])).toMatchObject({
    ranges: [{ state: 'RETURNED', documents: 1 }],
  });
  expect(await stored(push)).toEqual([{ _id: 1 }]);
});

test('an older list of ranges that comes late is refused', async () => {
  await exchange([range(1)]);
  seq = 5;
  await exchange([range(1, { takeBack: 'NOW' })]);
  seq = 1;
  expect((await say([range(1)])).code).toBe('LANE_STALE');
});

test('I5: a newer session of the tracking host ends what others copy, and waits for it', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const lease = await taken();
  await holdInsertBack(LANDING_MS);
  const write = lease.documents({}, numbered(1));
  await untilInserting();
  const next = await tracking.session(migrationId);
  expect(await stored(push), 'what was under way was waited for').toEqual([{ _id: 1 }]);
  expect((await write).status).toBe(200);
  const late = await lease.documents({ lane: 1 }, numbered(2));
  expect(late).toMatchObject({ status: 409, code: 'SESSION_UNKNOWN' });
  expect((await lease.report()).code).toBe('SESSION_UNKNOWN');
  expect(await take(copying, next), 'a new session offers nothing yet').toBeNull();
  expect(await stored(push)).toEqual([{ _id: 1 }]);
});

test('C2, I1: the removal of a link waits for what another host has under way; nothing comes after', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const lease = await taken();
  await holdInsertBack(LANDING_MS);
  const write = lease.documents({}, numbered(1));
  await untilInserting();
  expect(await push.gateway.settle(push.linkId, AbortSignal.timeout(20_000))).toBeNull();
  expect(await stored(push)).toEqual([{ _id: 1 }]);
  expect((await lease.documents({ lane: 1 }, numbered(2))).status).not.toBe(200);
  expect((await write).status).toBe(200);
  expect(await stored(push)).toEqual([{ _id: 1 }]);
});

test('C2: the removal of a host waits for what it copies for another one, whose session goes on', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const lease = await taken();
  await holdInsertBack();
  const write = lease.documents({}, numbered(1));
  await untilInserting();
  await migrationHosts.setUnlinked(push.store.db, copying.hostId, timestamp());
  const short = AbortSignal.timeout(50);
  const proof = await push.gateway.settleHost(push.linkId, copying.hostId, short);
  expect(proof).toEqual({ unprovenCluster: 'target' });
  const { hostId } = copying;
  expect(
    await push.gateway.settleHost(push.linkId, hostId, AbortSignal.timeout(20_000)),
  ).toBeNull();
  expect(await stored(push)).toEqual([{ _id: 1 }]);
  expect((await write).status).toBe(200);
  expect((await lease.documents({ lane: 1 }, numbered(2))).code).toBe('LINK_REFUSED');
  expect(states(await exchange([range(1)]))).toEqual(['RETURNED']);
  expect((await session.documents({}, numbered(3))).json).toMatchObject({ written: 1 });
});

test('a pause ends what others copy, and gives none of it as work', async () => {
  const lease = await taken();
  const migration = await liveMigrations.find(push.store.db, migrationId);
  const control = new LiveMigrationControl(operationContext(push));
  await control.pause(ownerOf(push), migration?.project_id ?? '', migrationId);
  expect((await lease.documents({}, numbered(1))).status).not.toBe(200);
  expect(await workOf(copying)).toEqual([]);
  expect(await stored(push)).toEqual([]);
});
