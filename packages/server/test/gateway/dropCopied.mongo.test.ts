import { failCommands } from '@linkspan/testkit/failPoints.ts';
import type { Document } from 'mongodb';
import { beforeEach, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { LinkRemoval } from '../../src/operations/linkRemoval.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import * as events from '../../src/store/events.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationNamespaces from '../../src/store/migrationNamespaces.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import {
  HOLD_MS,
  holdBack,
  LANDING_MS,
  operationContext,
  ownerOf,
  host,
  push,
  untilRunning,
  withHost,
} from './push.ts';

withHost();

let id: string;
let groupId: string;

beforeEach(async () => {
  for (const db of ['app', 'other']) await push.mongo.client().db(db).dropDatabase();
  id = await push.makeMigration(host);
  groupId = (await liveMigrations.find(push.store.db, id))!.project_id;
});

const cancel = (waitMs?: number): Promise<void> =>
  new LiveMigrationControl(operationContext(push, waitMs)).cancel(ownerOf(push), groupId, id, {
    dropCopied: true,
  });

/** Names at the destination, as `db.coll`. */
async function names(): Promise<string[]> {
  const found: string[] = [];
  for (const db of ['app', 'other']) {
    for (const { name } of await push.mongo.client().db(db).listCollections().toArray()) {
      if (!name.startsWith('system.')) found.push(`${db}.${name}`);
    }
  }
  return found.toSorted();
}

async function makeSome(): Promise<void> {
  const session = await host.session(id);
  await session.collection('app', 'c');
  await session.documents({}, [{ _id: 1 }]);
  await session.collection('other', 'made');
  await session.structure({
    action: 'view',
    db: 'app',
    coll: 'v',
    options: { viewOn: 'c', pipeline: [] },
  });
}

test('D11: a cancel that drops takes exactly what the migration made, never a database', async () => {
  await push.mongo.client().db('app').createCollection('of somebody');
  await push.mongo.client().db('other').collection<{ _id: number }>('theirs').insertOne({ _id: 1 });
  await makeSome();
  expect(await names()).toEqual([
    'app.c',
    'app.of somebody',
    'app.v',
    'other.made',
    'other.theirs',
  ]);
  await cancel();
  expect(await names()).toEqual(['app.of somebody', 'other.theirs']);
  const { db } = push.store;
  expect(await liveMigrations.find(db, id)).toMatchObject({
    status: 'FAILED',
    copied_data: 'DROPPED',
  });
  expect(await migrationNamespaces.list(db, id)).toEqual([]);
  expect(await pushSessions.listOpen(db, { migration_id: id })).toEqual([]);
  const told = (await events.listByOrganization(db, push.orgId)).filter(
    ({ target_id: target }) => target === id,
  );
  expect(told.map(({ event_type: type }) => type).slice(-2)).toEqual([
    'CLUSTER_IMPORT_CANCELLED',
    'LIVE_MIGRATION_COPIED_DATA_DROPPED',
  ]);
  expect(JSON.parse(told.at(-1)!.detail)).toMatchObject({ namespaces: 3 });
  await cancel();
});

test('D11: what was there before and was taken over is left: a view, and a collection without what was copied', async () => {
  const app = push.mongo.client().db('app');
  await app.createCollection('was there');
  await app.collection('was there').createIndex({ a: 1 });
  await app.createCollection('seen', { viewOn: 'was there', pipeline: [] });
  await app.createCollection('replaced', { viewOn: 'was there', pipeline: [] });
  await makeSome();
  const session = await host.session(id);
  const coll = 'was there';
  const indexes = [{ v: 2, key: { a: 1 }, name: 'a_1' }];
  await session.structure({ action: 'collection', db: 'app', coll, options: {}, indexes });
  await session.documents({ coll }, [{ _id: 1 }, { _id: 2 }]);
  const view = (name: string, pipeline: Document[] = []) =>
    session.structure({
      action: 'view',
      db: 'app',
      coll: name,
      options: { viewOn: coll, pipeline },
    });
  await view('seen');
  await view('replaced');
  await view('replaced', [{ $match: { a: 1 } }]);
  await cancel();
  expect(await names()).toEqual(['app.seen', 'app.was there']);
  expect(await app.collection(coll).countDocuments()).toBe(0);
  expect((await app.collection(coll).indexes()).map(({ name }) => name)).toContain('a_1');
  expect(await migrationNamespaces.list(push.store.db, id)).toEqual([]);
  const [told] = (await events.listByOrganization(push.store.db, push.orgId)).filter(
    ({ target_id: target, event_type: type }) =>
      target === id && type === 'LIVE_MIGRATION_COPIED_DATA_DROPPED',
  );
  expect(JSON.parse(told!.detail)).toMatchObject({
    namespaces: 4,
    left: ['app.seen', 'app.was there'],
  });
});

test('D11: a collection that the destination does not empty is left with what was copied, and told of', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  await push.mongo.client().db('app').createCollection('c');
  await makeSome();
  await failCommands(push.mongo, { failCommands: ['delete'], errorCode: 20 }, 1);
  await cancel();
  expect(await names()).toEqual(['app.c']);
  expect(await push.mongo.client().db('app').collection('c').countDocuments()).toBe(1);
  const told = (await events.listByOrganization(push.store.db, push.orgId)).findLast(
    ({ target_id: target }) => target === id,
  );
  expect(JSON.parse(told!.detail)).toMatchObject({ left: ['app.c'], notEmptied: ['app.c'] });
});

test('it drops only once what was under way has landed', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const session = await host.session(id);
  await session.collection('app', 'c');
  await holdBack(push, ['insert'], LANDING_MS);
  const write = session.documents({}, [{ _id: 1 }]);
  await untilRunning(push, session, 'insert');
  await cancel();
  expect((await write).status, 'it landed first').toBe(200);
  expect(await names()).toEqual([]);
});

test('C3: a drop that takes too long answers 503, and goes on in the background', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  await makeSome();
  await holdBack(push, ['drop'], 300, 3);
  const late = cancel(100);
  await expect(late).rejects.toMatchObject({
    status: 503,
    message: expect.stringContaining(
      'what it copied is not all dropped yet at cluster target. The server keeps trying',
    ) as string,
  });
  await expect.poll(names, { timeout: 90_000 }).toEqual([]);
});

test('D11: one node drops at a time: what another one has dropped may be somebody’s again', async () => {
  await makeSome();
  const before = await names();
  const { store, gateway } = push;
  const signal = AbortSignal.timeout(20_000);
  expect(await gateway.settleMigration(id, signal)).toBeNull();
  const other = newId();
  const { cluster_id: clusterId } = (await liveMigrations.find(store.db, id))!;
  const epoch = await store.transaction(async (tx) => {
    await liveMigrations.setCanceled(tx, id, 'test', true, timestamp());
    const taken = (await liveMigrations.nextDroppingEpoch(tx, id))!;
    const row = {
      id: other,
      migration_id: id,
      link_id: push.linkId,
      cluster_id: clusterId,
      epoch: taken,
      secret_hash: Buffer.alloc(32),
      state: 'OPEN' as const,
      connection_name: 'linkspan-test-other',
      opened_at: timestamp(),
    };
    const lease = { dialect: store.dialect, nodeId: 'another node', termMs: 600_000 };
    await pushSessions.insert(tx, row, lease);
    return taken;
  });
  expect(await gateway.dropCopied(id, signal)).toEqual({
    unprovenCluster: 'target',
    obstacle: 'another server node is dropping there',
  });
  expect(await names()).toEqual(before);
  expect(await liveMigrations.find(store.db, id), 'the other one is not fenced').toMatchObject({
    copied_data: 'DROPPING',
    epoch,
  });
  await pushSessions.settle(store.db, other);
  await cancel();
  expect(await names()).toEqual([]);
});

test('D11, C1: nothing is dropped for a link that is gone, nor waited for', async () => {
  await makeSome();
  const before = await names();
  const { db } = push.store;
  const rows = db.updateTable('live_migrations').where('id', '=', id);
  for (const linkId of [null, newId()]) {
    await rows.set({ link_id: linkId, copied_data: 'DROPPING', status: 'FAILED' }).execute();
    expect(await push.gateway.settleMigration(id, AbortSignal.timeout(20_000))).toBeNull();
    expect(await push.gateway.dropCopied(id, AbortSignal.timeout(20_000))).toBeNull();
    expect(await liveMigrations.find(db, id)).toMatchObject({ copied_data: 'KEPT' });
  }
  expect(await names()).toEqual(before);
  const told = (await events.listByOrganization(db, push.orgId)).filter(
    ({ target_id: target, event_type: type }) =>
      target === id && type === 'LIVE_MIGRATION_COPIED_DATA_KEPT',
  );
  expect(told).toHaveLength(2);
});

test('I1: a removal of the link stops the drop; what is left is kept, and said to be', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  await makeSome();
  const before = await names();
  await holdBack(push, ['drop'], HOLD_MS, 1);
  const dropping = cancel();
  await expect
    .poll(async () => {
      const { inprog } = await push.mongo.client().db('admin').command({ currentOp: 1 });
      return (inprog as Document[]).some((one) => one['command']?.['drop'] !== undefined);
    })
    .toBe(true);
  await new LinkRemoval(operationContext(push)).remove(push.orgId, null);
  const left = await names();
  expect(left.length, 'the one that was under way has landed').toBe(before.length - 1);
  await dropping;
  expect(await names(), 'nothing is written after the 204').toEqual(left);
  expect(await liveMigrations.find(push.store.db, id)).toMatchObject({ copied_data: 'KEPT' });
});
