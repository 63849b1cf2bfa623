import { afterEach, beforeEach, expect, test } from 'vitest';
import { timestamp } from '../../src/domain/time.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationWindows from '../../src/store/migrationWindows.ts';
import { apiClient, type Response, textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let groupId: string;
let own: string;
beforeEach(async () => {
  server = await startTestServer();
  await linkHost(server);
  groupId = await makeDestination(server);
  own = `/api/linkspan/v1/groups/${groupId}/liveMigrations`;
});
afterEach(() => server[Symbol.asyncDispose]());

const create = (more: object = {}): Promise<Response> =>
  server.api.call('POST', own, { body: { ...migrationBody(groupId), ...more } });
const patch = (id: string, body: unknown): Promise<Response> =>
  server.api.call('PATCH', `${own}/${id}`, { body });

test("Linkspan's own create takes throttle and window, and answers all that is known", async () => {
  const throttle = { bytesPerSecond: 1_000_000 };
  const made = await create({
    blockSourceWrites: true,
    throttle,
    windowHours: 300,
    dropDestinationData: true,
  });
  expect(made.status).toBe(201);
  expect(made.json).toMatchObject({
    blockSourceWrites: true,
    copiedData: null,
    dropDestinationData: true,
    expires: null,
    state: 'NEW',
    throttle: { bytesPerSecond: 1_000_000, documentsPerSecond: null },
    windowHours: 300,
  });
  const atlas = `/api/atlas/v2/groups/${groupId}/liveMigrations/${textOf(made, '_id')}`;
  expect(
    Object.keys((await server.api.call('GET', atlas)).json),
    'no shape of Atlas changes',
  ).toEqual(['_id', 'lagTimeSeconds', 'migrationHosts', 'readyForCutover', 'status']);
  const refused = await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: { ...migrationBody(groupId), throttle },
  });
  expect(refused.json).toMatchObject({ error: 400, parameters: ['throttle'] });
});

const names = {
  include: ['shop', 'logs.*'],
  exclude: ['*.tmp_?'],
  rename: [{ from: 'shop', to: 'store' }],
};

test('names that cannot work are refused with each attribute, before anything is made', async () => {
  for (const path of [own, `${own}/validate`]) {
    const refused = await server.api.call('POST', path, {
      body: {
        ...migrationBody(groupId),
        namespaces: { include: ['shop', '.x'], rename: [{ from: 'a.*', to: 'b' }] },
      },
    });
    expect(refused.json).toMatchObject({
      error: 400,
      errorCode: 'INVALID_ATTRIBUTE',
      parameters: ['namespaces.include[1]'],
      badRequestDetail: {
        fields: [{ field: 'namespaces.include[1]' }, { field: 'namespaces.rename[0].from' }],
      },
    });
  }
  const reserved = await create({ namespaces: { rename: [{ from: 'shop', to: 'admin' }] } });
  expect(reserved.text).toContain('is reserved');
  const notMoved = { exclude: ['shop'], rename: [{ from: 'shop', to: 'store' }] };
  expect((await create({ namespaces: notMoved })).text).toContain('shop is not selected');
  expect((await server.api.call('GET', own)).json).toMatchObject({ totalCount: 0 });
});

test('names are kept with a migration and a validation, and shown', async () => {
  expect((await create({ namespaces: names })).json).toMatchObject({ namespaces: names });
  const path = `${own}/validate`;
  const body = { ...migrationBody(groupId), namespaces: { include: ['shop'] } };
  const made = await server.api.call('POST', path, { body });
  expect(made.status).toBe(200);
  expect(made.json).toMatchObject({
    findings: [],
    namespaces: { include: ['shop'], exclude: [], rename: [] },
    status: 'PENDING',
  });
  const again = await server.api.call('GET', `${path}/${textOf(made, '_id')}`);
  expect(again.json).toEqual(made.json);
});

test('the throttle is changed attribute by attribute, and null takes it away', async () => {
  const id = textOf(await create(), '_id');
  const throttleAfter = async (throttle: unknown) =>
    (await patch(id, { throttle })).json['throttle'];
  expect(await throttleAfter({ bytesPerSecond: 5000 })).toEqual({
    bytesPerSecond: 5000,
    documentsPerSecond: null,
  });
  expect(await throttleAfter({ documentsPerSecond: 7 })).toEqual({
    bytesPerSecond: 5000,
    documentsPerSecond: 7,
  });
  expect(await throttleAfter({ bytesPerSecond: null })).toEqual({
    bytesPerSecond: null,
    documentsPerSecond: 7,
  });
  expect(await throttleAfter(null)).toEqual({ bytesPerSecond: null, documentsPerSecond: null });
  expect((await patch(id, { throttle: { bytesPerSecond: 0 } })).status).toBe(400);
  expect((await patch(id, {})).json).toMatchObject({ errorCode: 'MISSING_ONE_OF_ATTRIBUTES' });
  const left = await patch(id, { dropDestinationData: true });
  expect(left.json).toMatchObject({ error: 400, parameters: ['dropDestinationData'] });
});

test('a window that would be over already is refused; a cancel ends a migration', async () => {
  const id = textOf(await create(), '_id');
  const began = new Date(Date.now() - 50 * 60 * 60_000);
  await migrationWindows.begin(server.store.db, id, timestamp(began));
  const refused = await patch(id, { windowHours: 49 });
  expect(refused.json).toMatchObject({
    errorCode: 'INVALID_ATTRIBUTE',
    parameters: ['windowHours'],
  });
  expect((await patch(id, { windowHours: 51 })).status).toBe(200);
  for (const windowHours of [0, 9000, 1.5, '5']) {
    expect((await patch(id, { windowHours })).status).toBe(400);
  }
});

test('a migration that has ended is not changed; others only by an owner', async () => {
  const id = textOf(await create(), '_id');
  const made = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'member', roles: ['ORG_READ_ONLY'] },
  });
  const reader = apiClient(server.url, {
    publicKey: textOf(made, 'publicKey'),
    privateKey: textOf(made, 'privateKey'),
  });
  const body = { windowHours: 500 };
  expect((await reader.call('PATCH', `${own}/${id}`, { body })).status).toBe(401);
  expect((await reader.call('POST', own, { body: migrationBody(groupId) })).status).toBe(401);
  expect((await reader.call('POST', `${own}/${id}/cutover`)).status).toBe(401);
  expect((await reader.call('GET', `${own}/${id}`)).status).toBe(200);
  await liveMigrations.setEnded(server.store.db, id, 'FAILED', 'gone', timestamp());
  expect((await patch(id, body)).json).toMatchObject({ errorCode: 'LIVE_MIGRATION_NOT_ACTIVE' });
});

test('C9: a cancel that drops keeps the cluster until all is dropped, and is asked for once', async () => {
  const id = textOf(await create(), '_id');
  const dropped: string[] = [];
  const asked = Promise.withResolvers<void>();
  const gone = Promise.withResolvers<void>();
  server.hooks.dropCopied = async (which) => {
    dropped.push(which);
    asked.resolve();
    await gone.promise;
    await liveMigrations.endDropping(server.store.db, which, 'DROPPED');
    return null;
  };
  const canceling = server.api.call('POST', `${own}/${id}/cancel`, { body: { dropCopied: true } });
  await asked.promise;
  expect((await server.api.call('GET', `${own}/${id}`)).json).toMatchObject({
    state: 'CANCELED',
    copiedData: 'DROPPING',
  });
  const busy = { error: 409, errorCode: 'CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT' };
  expect((await create()).json).toMatchObject(busy);
  const cluster = `/api/linkspan/v1/groups/${groupId}/clusters/target`;
  expect((await server.api.call('DELETE', cluster)).json).toMatchObject(busy);
  gone.resolve();
  expect((await canceling).status).toBe(202);
  expect(dropped).toEqual([id]);
  expect((await server.api.call('GET', `${own}/${id}`)).json).toMatchObject({
    copiedData: 'DROPPED',
  });
  expect((await create()).status).toBe(201);
});

test('what a cancel kept is not dropped by another: something else may use it by now', async () => {
  const id = textOf(await create(), '_id');
  expect((await server.api.call('POST', `${own}/${id}/cancel`)).status, 'without a body').toBe(202);
  const later = await server.api.call('POST', `${own}/${id}/cancel`, {
    body: { dropCopied: true },
  });
  expect(later.json).toMatchObject({ error: 409, errorCode: 'LIVE_MIGRATION_COPIED_DATA_KEPT' });
  expect((await server.api.call('POST', `${own}/${id}/cancel`, { body: {} })).status).toBe(202);
  expect((await server.api.call('GET', `${own}/${id}`)).json).toMatchObject({ copiedData: 'KEPT' });
});

test('a drop that was under way goes on after a restart', async () => {
  const id = textOf(await create(), '_id');
  await liveMigrations.setCanceled(server.store.db, id, 'by hand', true, timestamp());
  const asked = Promise.withResolvers<string>();
  server.hooks.dropCopied = async (which) => {
    asked.resolve(which);
    return null;
  };
  await server.restart();
  expect(await asked.promise).toBe(id);
});
