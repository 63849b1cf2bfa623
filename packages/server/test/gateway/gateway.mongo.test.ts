import type { WorkReply } from '@linkspan/contract/push/work.ts';
import { VERSION_HEADER } from '@linkspan/contract/push/version.ts';
import { failCommands } from '@linkspan/testkit/failPoints.ts';
import { Binary, BSON, Double, Int32 } from 'mongodb';
import { beforeEach, expect, test } from 'vitest';

import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { READY } from '../support/progress.ts';
import {
  HOLD_MS,
  holdBack,
  LANDING_MS,
  untilRunning,
  numbered,
  stored,
  TestHost,
  type Answer,
  type TestSession,
  host,
  push,
  withHost,
} from './push.ts';

withHost();

let migrationId: string;

beforeEach(async () => {
  await push.mongo.client().db('app').dropDatabase();
  migrationId = await push.makeMigration(host);
});

const migration = async () => (await liveMigrations.find(push.store.db, migrationId))!;

const untilInserting = (session: TestSession) => untilRunning(push, session, 'insert');

test('a token is used up by one host, which may ask again (C5)', async () => {
  expect((await host.register(push.token)).status).toBe(200);
  expect(await new TestHost(push.url).register(push.token)).toMatchObject({
    status: 401,
    code: 'LINK_TOKEN_REFUSED',
  });
  expect((await host.register('wrong')).code).toBe('LINK_TOKEN_REFUSED');
});

test('who calls is asked before anything else, and the version before the body', async () => {
  const stranger = new TestHost(push.url);
  expect(await stranger.post('/inventory', Buffer.from('{'))).toMatchObject({
    status: 401,
    code: 'LINK_REFUSED',
    json: { error: 401, reason: 'Unauthorized', parameters: null },
  });
  expect((await host.post('/inventory', Buffer.from('{'), { [VERSION_HEADER]: '99' })).code).toBe(
    'PUSH_VERSION_UNSUPPORTED',
  );
  expect(await host.post('/inventory', { hostname: 'h', agentVersion: '1' })).toMatchObject({
    status: 400,
    code: 'MESSAGE_INVALID',
  });
  const inventory = { hostname: 'h', agentVersion: '1', projects: [] };
  expect((await host.post('/inventory', inventory)).status).toBe(204);
  expect((await host.open('f'.repeat(24))).code).toBe('MIGRATION_NOT_ACTIVE');
});

test('many structures at once: what is refused of one does not keep the others (C12, D11)', async () => {
  const session = await host.session(migrationId);
  const wanted = (coll: string, options = {}) => ({
    action: 'collection',
    db: 'app',
    coll,
    options,
    indexes: [{ key: { a: 1 }, name: 'a_1' }],
  });
  const send = (...requests: object[]) => session.post('structures', BSON.serialize({ requests }));
  await push.mongo.client().db('app').collection('theirs').insertOne({ a: 1 });
  const view = { action: 'view', db: 'app', coll: 'v', options: { viewOn: 'm1', pipeline: [] } };
  const requests = [wanted('m1'), wanted('theirs'), wanted('m2', { storage: 1 }), view];
  expect((await send(...requests)).json).toEqual({
    results: [
      { changes: ['app.m1: create it', 'app.m1: build the indexes a_1'], refused: null },
      {
        changes: [],
        refused: { code: 'STRUCTURE_REFUSED', message: expect.stringContaining('app.theirs') },
      },
      {
        changes: [],
        refused: { code: 'STRUCTURE_REFUSED', message: expect.stringContaining('storage') },
      },
      { changes: ['app.v: create it'], refused: null },
    ],
  });
  const again = await send(wanted('m1'), view);
  expect(again.json).toEqual({
    results: [
      { changes: [], refused: null },
      { changes: [], refused: null },
    ],
  });
  expect((await send(wanted('system.users'))).code).toBe('NAMESPACE_REFUSED');
  expect((await send(wanted('m1'), wanted('m1'))).code).toBe('MESSAGE_INVALID');
  expect((await send({ action: 'drop', db: 'app', coll: 'm1' })).code).toBe('MESSAGE_INVALID');
});

test('D20: buckets go beside their time series, and no other system collection is named (C12)', async () => {
  const session = await host.session(migrationId);
  const app = push.mongo.client().db('app');
  const series = { timeseries: { timeField: 't', metaField: 'm' } };
  const make = (buckets: boolean): Promise<Answer> =>
    session.structure({
      action: 'collection',
      db: 'app',
      coll: 'w',
      options: series,
      indexes: [],
      buckets,
    });
  const [isSilent, bucket] = [push.mongo.capabilities.silentTimeSeries, { _id: 'b', meta: 1 }];
  // What a server keeps otherwise than the source does cannot be pushed to it.
  expect(await make(!isSilent)).toMatchObject({ code: 'STRUCTURE_REFUSED' });
  // To the gateway, a collection of that name is what makes the buckets.
  if (!isSilent) await app.createCollection('system.buckets.w');
  expect((await make(true)).status).toBe(200);
  const named = { coll: 'system.buckets.w', lane: 1 };
  expect((await session.documents(named, [bucket])).code).toBe('NAMESPACE_REFUSED');
  const other = { coll: 'x', buckets: true, lane: 1 };
  expect((await session.documents(other, [bucket])).code).toBe('NAMESPACE_NOT_CREATED');
  await session.collection('app', 'plain');
  const astray = await session.documents({ coll: 'plain', buckets: true, lane: 3 }, [bucket]);
  expect(astray.code).toBe('NAMESPACE_REFUSED');
  const left = await app.listCollections({ name: 'system.buckets.plain' }).toArray();
  expect(left, 'nothing was made').toEqual([]);
  if (!isSilent) {
    const sent = { coll: 'w', buckets: true, lane: 2 };
    expect((await session.documents(sent, [bucket])).json).toMatchObject({ written: 1 });
    expect(await app.collection('system.buckets.w').find().toArray()).toEqual([bucket]);
    const walk = { db: 'app', coll: 'w', buckets: true, cursor: null, limit: 10, expect: null };
    const { bytes } = await session.post('digest', BSON.serialize(walk));
    expect(BSON.deserialize(bytes)).toMatchObject({ count: 1 });
  }
  await app.collection('system.buckets.w').drop();
});

test('documents go only where the migration made a collection (D11, C12)', async () => {
  const session = await host.session(migrationId);
  expect((await migration()).status).toBe('WORKING');
  expect((await session.documents({}, numbered(1))).code).toBe('NAMESPACE_NOT_CREATED');
  expect((await session.documents({ db: 'admin' }, numbered(1))).code).toBe('NAMESPACE_REFUSED');
  expect((await session.collection('app', 'system.users')).code).toBe('NAMESPACE_REFUSED');
  expect((await session.collection('app', 'c')).json).toEqual({ changes: ['app.c: create it'] });
  const raw = BSON.serialize({ _id: new Double(1), $a: 1, 'b.c': new Int32(1) });
  expect((await session.documents({}, [raw])).json).toMatchObject({
    written: 1,
    duplicates: 0,
    failures: [],
  });
  const [found] = await push.mongo
    .client()
    .db('app')
    .collection('c')
    .find({}, { raw: true })
    .toArray();
  expect(Buffer.from(found as unknown as Uint8Array)).toEqual(Buffer.from(raw));
  const listing = await session.post('listing', BSON.serialize({}));
  expect(BSON.deserialize(listing.bytes)).toMatchObject({
    namespaces: [{ db: 'app', coll: 'c', type: 'collection', indexes: [] }],
  });
  const digest = { db: 'app', coll: 'c', cursor: null, limit: 10, expect: null };
  const reply = await session.post('digest', BSON.serialize(digest));
  expect(BSON.deserialize(reply.bytes)).toMatchObject({ cursor: null, count: 1, equal: false });
  const keys = [BSON.serialize({ _id: new Double(1) }), BSON.serialize({ _id: 'none' })];
  const looked = await session.post(
    'keyDigests',
    BSON.serialize({ db: 'app', coll: 'c', keys: keys.map((bytes) => new Binary(bytes)) }),
  );
  expect(BSON.deserialize(looked.bytes)['documents']).toHaveLength(1);
  const refused = await session.post(
    'keyDigests',
    BSON.serialize({ db: 'app', coll: 'other', keys: [new Binary(keys[0])] }),
  );
  expect(refused.code).toBe('NAMESPACE_NOT_CREATED');
  for (const wrong of [[], ['text'], [new Binary(Buffer.from('short'))], null]) {
    const body = BSON.serialize({ db: 'app', coll: 'c', keys: wrong });
    expect((await session.post('keyDigests', body)).code).toBe('MESSAGE_INVALID');
  }
});

test('bad bodies are refused with the reason, not with a stack', async () => {
  const session = await host.session(migrationId);
  const bad = async (body: Uint8Array, headers = {}): Promise<unknown> => {
    const answer = await session.post('documents', body, headers);
    expect(answer.status).toBe(400);
    return answer.code;
  };
  expect(await bad(Buffer.from('nonsense'), { 'content-encoding': 'zstd' })).toBe(
    'MESSAGE_INVALID',
  );
  expect(await bad(Buffer.from('nonsense'))).toBe('MESSAGE_INVALID');
  expect(await bad(BSON.serialize({ op: 'drop' }))).toBe('MESSAGE_INVALID');
  expect(await bad(Buffer.alloc(0))).toBe('MESSAGE_INVALID');
  expect((await session.post('structure', BSON.serialize({ action: 'x' }))).code).toBe(
    'MESSAGE_INVALID',
  );
});

test('a retry waits for the fate of the first, and a smaller number is stale (D13)', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  await holdBack(push, ['insert'], HOLD_MS);
  const gone = new AbortController();
  const first = session.documents({ seq: 1 }, numbered(1, 2), gone.signal);
  await untilInserting(session);
  gone.abort();
  await expect(first).rejects.toThrow();
  const started = performance.now();
  expect((await session.documents({ seq: 1 }, numbered(1, 2))).json).toMatchObject({
    written: 2,
  });
  expect(performance.now() - started, 'the first was waited for').toBeGreaterThan(200);
  await session.documents({ op: 'delete', lane: 7, seq: 1 }, numbered(1));
  expect((await session.documents({ seq: 1 }, numbered(1, 2))).json).toMatchObject({ written: 2 });
  expect(await stored(push), 'a batch that comes late brings nothing back').toHaveLength(1);
  expect((await session.documents({ seq: 2 }, numbered(3))).json).toMatchObject({ written: 1 });
  expect((await session.documents({ seq: 1 }, numbered(1, 2))).code).toBe('LANE_STALE');
});

test('a newer session fences the older one, and waits for its writes (I5)', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const older = await host.session(migrationId);
  await older.collection('app', 'c');
  await holdBack(push, ['insert'], LANDING_MS);
  let answered = false;
  const write = older.documents({}, numbered(1)).finally(() => (answered = true));
  await untilInserting(older);
  const newer = await host.session(migrationId);
  expect(await stored(push), 'what was under way has landed').toHaveLength(1);
  expect(newer.opened.epoch).toBe(older.opened.epoch + 1);
  expect((await write).status).toBe(200);
  expect(answered).toBe(true);
  expect((await older.documents({ seq: 2 }, numbered(2))).code).toBe('SESSION_FENCED');
  expect((await newer.documents({}, numbered(3))).json).toMatchObject({ written: 1 });
  expect(await stored(push)).toHaveLength(2);
});

test('after a restart a session is unknown, and a new one goes on (I3)', async () => {
  const before = await host.session(migrationId);
  await before.collection('app', 'c');
  await push.restart();
  expect((await before.documents({}, numbered(1))).code).toBe('SESSION_UNKNOWN');
  const after = await host.session(migrationId);
  expect((await after.documents({}, numbered(1))).json).toMatchObject({ written: 1 });
  expect((await before.documents({}, numbered(2))).code).toBe('SESSION_FENCED');
});

test('a broken connection ends the session: nothing overtakes what may be under way (D13)', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  await failCommands(push.mongo, { failCommands: ['insert'], closeConnection: true }, 1);
  expect((await session.documents({}, numbered(1))).code).toBe('SESSION_UNKNOWN');
  expect((await session.documents({}, numbered(1))).code).toBe('SESSION_UNKNOWN');
  const next = await host.session(migrationId);
  expect((await next.documents({}, numbered(1))).json).toMatchObject({ written: 1 });
});

test('a session keeps what the destination says of itself, where that is not known', async () => {
  await push.store.db.updateTable('clusters').set({ facts: null }).execute();
  await host.open(migrationId);
  const { facts } = await push.store.db
    .selectFrom('clusters')
    .selectAll()
    .executeTakeFirstOrThrow();
  expect(JSON.parse(facts ?? '{}')).toMatchObject({ topology: 'ReplicaSet' });
});

test('the first session drops what the destination holds, where that was asked for', async () => {
  const target = push.mongo.client().db('app');
  await target.collection('old').insertOne({});
  migrationId = await push.makeMigration(host, { drop_destination_data: 1 });
  const session = await host.session(migrationId);
  expect(await target.listCollections().toArray()).toEqual([]);
  expect((await migration()).destination_prepared).toBe(1);
  await session.collection('app', 'c');
  await host.session(migrationId);
  expect(await target.listCollections().toArray()).toHaveLength(1);
});

test('progress, a failed cutover and COMPLETE follow the attempt that is under way', async () => {
  const session = await host.session(migrationId);
  const progress = { ...READY, lagSeconds: 1 };
  expect((await session.post('report', progress)).status).toBe(204);
  expect(JSON.parse((await migration()).progress ?? '')).toEqual(progress);
  const verified = { collections: 1, documents: 1 };
  expect((await session.post('complete', { cutoverAttempt: 1, verified })).code).toBe(
    'MESSAGE_INVALID',
  );
  await liveMigrations.requestCutover(push.store.db, migrationId);
  const failed = { cutoverAttempt: 1, reason: 'writes went on' };
  expect((await session.post('cutoverFailed', failed)).status).toBe(204);
  expect((await session.post('cutoverFailed', failed)).status).toBe(204);
  expect((await session.post('complete', { cutoverAttempt: 1, verified })).code).toBe(
    'MESSAGE_INVALID',
  );
  await liveMigrations.requestCutover(push.store.db, migrationId);
  expect((await session.post('complete', { cutoverAttempt: 2, verified })).status).toBe(204);
  expect((await session.post('complete', { cutoverAttempt: 2, verified })).status).toBe(204);
  expect(await migration()).toMatchObject({ status: 'COMPLETE', password_sealed: null });
  expect((await session.documents({}, numbered(1))).code).toBe('MIGRATION_NOT_ACTIVE');
  const types = (await events.listByOrganization(push.store.db, push.orgId))
    .filter(({ target_id: target }) => target === migrationId)
    .map(({ event_type: type }) => type);
  expect(types).toEqual([
    'CLUSTER_IMPORT_STARTED',
    'LIVE_MIGRATION_WINDOW_BEGAN',
    'LIVE_MIGRATION_CUTOVER_FAILED',
    'LIVE_MIGRATION_COMPLETED',
  ]);
});

test('work is a wanted state; a long poll answers when it changes (C14)', async () => {
  const first = await host.post('/work', { knownRevision: null, waitSeconds: 0 });
  const { revision, work } = first.json as unknown as WorkReply;
  expect(work.find(({ id }) => id === migrationId)).toMatchObject({
    kind: 'migration',
    cutoverAttempt: 0,
    source: { username: 'reader', password: 'source secret' },
  });
  const poll = host.post('/work', { knownRevision: revision, waitSeconds: 20 });
  await host.session(migrationId);
  await liveMigrations.requestCutover(push.store.db, migrationId);
  push.gateway.changed(push.linkId);
  const { work: changed } = (await poll).json as unknown as WorkReply;
  expect(changed.find(({ id }) => id === migrationId)).toMatchObject({ cutoverAttempt: 1 });
});

test('an address that is not on the access list of the link is refused by name', async () => {
  const setList = (list: readonly string[]) =>
    push.store.db
      .updateTable('links')
      .set({ access_list: JSON.stringify(list) })
      .where('id', '=', push.linkId)
      .execute();
  await setList(['192.0.2.0/24']);
  const refused = await host.post('/work', { knownRevision: null, waitSeconds: 0 });
  expect(refused).toMatchObject({ status: 401, code: 'LINK_REFUSED' });
  expect(refused.json['detail']).toContain('127.0.0.1 is not on the access list');
  await setList(['192.0.2.0/24', '127.0.0.0/8']);
  expect((await host.post('/work', { knownRevision: null, waitSeconds: 0 })).status).toBe(200);
  await setList([]);
});

test('a destination that is killed comes back to a new session with nothing lost (I3, I4)', async (context) => {
  if (!push.mongo.capabilities.control) context.skip('needs a server that can be killed');
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  expect((await session.documents({}, numbered(1))).json).toMatchObject({ written: 1 });
  await push.mongo.kill();
  expect((await session.documents({ seq: 2 }, numbered(2))).status).toBeGreaterThanOrEqual(400);
  const opening = host.session(migrationId);
  await push.mongo.restart();
  const next = await opening;
  expect((await next.documents({}, numbered(2))).json).toMatchObject({ written: 1 });
  expect(await stored(push)).toEqual([{ _id: 1 }, { _id: 2 }]);
});

// Last: it takes the link away.
test('settling a link waits for what is under way, and nothing comes after (C1 to C3, I1)', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  await holdBack(push, ['insert'], HOLD_MS);
  const write = session.documents({ lane: 1 }, numbered(1));
  await untilInserting(session);
  const poll = host.post('/work', { knownRevision: null, waitSeconds: 0 });
  const { revision } = (await poll).json as unknown as WorkReply;
  const longPoll = host.post('/work', { knownRevision: revision, waitSeconds: 30 });

  await push.store.transaction((tx) => links.setRemoving(tx, push.linkId));
  const giveUp = new AbortController();
  const unproven = push.gateway.settle(push.linkId, giveUp.signal);
  const late = session.documents({ lane: 2 }, numbered(2));
  giveUp.abort(new Error('given up'));
  expect(await unproven).toEqual({ unprovenCluster: 'target' });
  expect((await late).code).toBe('LINK_REFUSED');
  expect((await longPoll).code).toBe('LINK_REFUSED');

  expect(await push.gateway.settle(push.linkId, AbortSignal.timeout(20_000))).toBeNull();
  expect(await stored(push), 'what was under way was waited for').toEqual([{ _id: 1 }]);
  expect((await write).status).toBe(200);
  expect(await pushSessions.listOpen(push.store.db, { link_id: push.linkId })).toEqual([]);
  expect((await host.open(migrationId)).code).toBe('LINK_REFUSED');
});
