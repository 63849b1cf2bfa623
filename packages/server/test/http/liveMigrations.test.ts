import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as validations from '../../src/store/validations.ts';
import { apiClient, textOf } from '../support/api.ts';
import {
  HOSTNAME,
  linkHost,
  makeDestination,
  migrationBody,
  SOURCE_CLUSTER,
  SOURCE_PROJECT,
} from '../support/link.ts';
import { READY } from '../support/progress.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let groupId: string;
let base: string;
beforeEach(async () => {
  server = await startTestServer();
  groupId = await makeDestination(server);
  base = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
});
afterEach(() => server[Symbol.asyncDispose]());

const PROGRESS: Progress = {
  ...READY,
  lagSeconds: 2,
  documentsCopied: 10,
  documentsTotal: 10,
  bytesCopied: 100,
  bytesTotal: 100,
  documentsFlushed: 3,
};

/** What the gateway does when a session opens and reports. */
async function work(id: string, progress: Progress = PROGRESS, at = new Date()): Promise<void> {
  await server.store.transaction(async (tx) => {
    const epoch = (await liveMigrations.nextEpoch(tx, id)) ?? 0;
    await liveMigrations.setProgress(tx, id, epoch, JSON.stringify(progress), timestamp(at));
  });
}

describe('clusters', () => {
  const clusters = () => `/api/linkspan/v1/groups/${groupId}/clusters`;

  test('are registered, shown without credentials, changed, tested and removed', async () => {
    const shown = await server.api.call('GET', `${clusters()}/target`);
    expect(shown.json).toMatchObject({
      groupId,
      hosts: ['db.example.com:27017'],
      mongoDBVersion: null,
      name: 'target',
    });
    expect(shown.text).not.toContain('hidden-password');
    expect((await server.api.call('GET', clusters())).json).toMatchObject({ totalCount: 1 });
    const tested = await server.api.call('POST', `${clusters()}/target/connectionTest`);
    expect(tested.json).toEqual({
      fence: 'ENFORCED',
      mongoDBVersion: '8.2.0',
      ok: true,
      topology: 'ReplicaSet',
    });
    expect((await server.api.call('GET', `${clusters()}/target`)).json).toMatchObject({
      mongoDBVersion: '8.2.0',
    });
    const changed = await server.api.call('PATCH', `${clusters()}/target`, {
      body: { connectionString: 'mongodb+srv://u:p@cluster.example.com/' },
    });
    expect(changed.json).toMatchObject({ hosts: ['cluster.example.com'], mongoDBVersion: null });
    const twice = await server.api.call('POST', clusters(), {
      body: { name: 'target', connectionString: 'mongodb://x.example.com/' },
    });
    expect(twice.json).toMatchObject({ error: 409, errorCode: 'CLUSTER_ALREADY_EXISTS' });
    expect((await server.api.call('DELETE', `${clusters()}/target`)).status).toBe(204);
    const gone = await server.api.call('GET', `${clusters()}/target`);
    expect(gone.json).toMatchObject({
      error: 404,
      errorCode: 'CLUSTER_NOT_FOUND',
      parameters: ['target', groupId],
    });
  });

  test.each([
    'nonsense',
    'mongodb://127.0.0.1:27017/',
    'mongodb://u:hunter2@localhost/',
    'mongodb://169.254.169.254/',
    'mongodb://[::1]:27017/',
    'mongodb://u:hunter2@db.example.com/?tlsCAFile=/etc/passwd',
    'mongodb://u:hunter2@db.example.com/?authMechanism=MONGODB-AWS',
    'mongodb://u:hunter2@db.example.com/?proxyHost=127.0.0.1',
    'mongodb://u:hun@ter2@db.example.com/',
    'mongodb://u:hun/ter2@db.example.com/',
    'mongodb://u:hun@ter2/@db.example.com/',
    'mongodb://u:hun@db.example.com/?ter2@db.example.com/',
    'mongodb://u:hunter2',
    'mongodb://%2Ftmp%2Fmongodb.sock/',
  ])('C13: %s is refused', async (connectionString) => {
    const answer = await server.api.call('POST', clusters(), {
      body: { name: 'other', connectionString },
    });
    expect(answer.status).toBe(400);
    expect(answer.json).toMatchObject({
      errorCode: 'INVALID_ATTRIBUTE',
      parameters: ['connectionString'],
    });
    expect(answer.text).not.toMatch(/ter2/);
  });

  test('C13: networks that the operator allows may be named', async () => {
    await using open = await startTestServer({ allowedNetworks: '127.0.0.0/8' });
    const id = await makeDestination(open);
    const answer = await open.api.call('POST', `/api/linkspan/v1/groups/${id}/clusters`, {
      body: { name: 'local', connectionString: 'mongodb://localhost:27017/' },
    });
    expect(answer.status).toBe(201);
  });
});

test('link state and available projects follow the link', async () => {
  const link = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link`;
  const projects = `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/availableProjects`;
  expect((await server.api.call('GET', link)).json).toMatchObject({ state: 'NONE' });
  expect((await server.api.call('GET', projects)).text).toBe('[]');
  await linkHost(server);
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  expect((await server.api.call('GET', link)).json).toMatchObject({
    impact: {
      liveMigrations: [{ groupId, id: textOf(created, '_id'), status: 'NEW' }],
      projects: [{ id: groupId, name: 'Destination' }],
    },
    migrationHosts: [{ hostname: HOSTNAME }],
    state: 'LINKED',
  });
  expect(JSON.parse((await server.api.call('GET', projects)).text)).toEqual([
    {
      deployments: [expect.objectContaining({ name: SOURCE_CLUSTER })],
      migrationHosts: [HOSTNAME],
      name: 'Source project',
      projectId: SOURCE_PROJECT,
    },
  ]);
});

test('a live migration is made, followed and cut over', async () => {
  const { linkId } = await linkHost(server);
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  expect(created.status).toBe(201);
  const id = textOf(created, '_id');
  expect(created.json).toEqual({
    _id: id,
    lagTimeSeconds: null,
    migrationHosts: [HOSTNAME],
    readyForCutover: false,
    status: 'NEW',
  });
  expect(server.hooks.changed).toEqual([linkId]);
  const early = await server.api.call('PUT', `${base}/${id}/cutover`);
  expect(early.json).toMatchObject({
    error: 409,
    errorCode: 'LIVE_MIGRATION_NOT_READY_FOR_CUTOVER',
  });
  const second = await server.api.call('POST', base, { body: migrationBody(groupId) });
  expect(second.json).toMatchObject({
    error: 409,
    errorCode: 'CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT',
  });
  const cluster = `/api/linkspan/v1/groups/${groupId}/clusters/target`;
  expect((await server.api.call('DELETE', cluster)).status).toBe(409);

  await work(id);
  expect((await server.api.call('GET', `${base}/${id}`)).json).toMatchObject({
    lagTimeSeconds: 2,
    readyForCutover: true,
    status: 'WORKING',
  });
  const cutover = await server.api.call('PUT', `${base}/${id}/cutover`, { chunked: true });
  expect(cutover.status).toBe(202);
  expect(cutover.text).toBe('{}');
  expect((await server.api.call('PUT', `${base}/${id}/cutover`)).status).toBe(202);
  const own = `/api/linkspan/v1/groups/${groupId}/liveMigrations`;
  expect((await server.api.call('GET', `${own}/${id}`)).json).toMatchObject({
    cutover: { attempt: 1, failure: null, underWay: true },
    destination: { clusterName: 'target', groupId },
    progress: PROGRESS,
    source: { clusterName: SOURCE_CLUSTER, groupId: SOURCE_PROJECT },
    verified: null,
  });
  const { db } = server.store;
  expect(await liveMigrations.setCutoverFailed(db, id, 1, 'writes went on')).toBe(true);
  expect((await server.api.call('GET', `${own}/${id}`)).json).toMatchObject({
    cutover: { attempt: 1, failure: 'writes went on', underWay: false },
  });
  expect((await server.api.call('PUT', `${base}/${id}/cutover`)).status).toBe(202);
  const verified = JSON.stringify({ collections: 1, documents: 10 });
  expect(await liveMigrations.setComplete(db, id, 1, verified, timestamp())).toBe(false);
  expect(await liveMigrations.setComplete(db, id, 2, verified, timestamp())).toBe(true);
  expect((await server.api.call('GET', own)).json).toMatchObject({
    results: [{ _id: id, status: 'COMPLETE', verified: { collections: 1, documents: 10 } }],
    totalCount: 1,
  });
  expect((await liveMigrations.find(db, id))?.password_sealed).toBeNull();
  expect((await server.api.call('PUT', `${base}/${id}/cutover`)).json).toMatchObject({
    error: 409,
    errorCode: 'LIVE_MIGRATION_NOT_ACTIVE',
    parameters: [id, 'COMPLETE'],
  });
});

test('I8: while no report comes the lag grows and the migration is not ready', async () => {
  await linkHost(server);
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  const id = textOf(created, '_id');
  await work(id, PROGRESS, new Date(Date.now() - 120_000));
  const shown = await server.api.call('GET', `${base}/${id}`);
  expect(Number(shown.json['lagTimeSeconds'])).toBeGreaterThanOrEqual(122);
  expect(shown.json).toMatchObject({ readyForCutover: false, status: 'WORKING' });
  await liveMigrations.setEnded(server.store.db, id, 'FAILED', 'test', timestamp());
  const failed = await server.api.call('GET', `${base}/${id}`);
  expect(failed.json).toMatchObject({ lagTimeSeconds: null, status: 'FAILED' });
});

test('a validation is made and read, in both views; its password is sealed, then erased', async () => {
  await linkHost(server);
  const created = await server.api.call('POST', `${base}/validate`, {
    body: migrationBody(groupId),
  });
  expect(created.status).toBe(200);
  const id = textOf(created, '_id');
  expect(created.json).toEqual({
    _id: id,
    errorMessage: null,
    groupId,
    sourceGroupId: SOURCE_PROJECT,
    status: 'PENDING',
  });
  const { db, sealer } = server.store;
  const row = await validations.findInProject(db, groupId, id);
  expect(row?.source).not.toContain('source-password');
  expect(row === undefined ? null : validations.openPassword(sealer, row)).toBe('source-password');
  const finding = { code: 'SOURCE_STANDALONE', severity: 'error', message: 'Source is standalone' };
  await validations.settle(db, id, {
    status: 'FAILED',
    findings: JSON.stringify([finding]),
    errorMessage: finding.message,
    at: timestamp(),
  });
  expect((await server.api.call('GET', `${base}/validate/${id}`)).json).toMatchObject({
    errorMessage: 'Source is standalone',
    status: 'FAILED',
  });
  const own = `/api/linkspan/v1/groups/${groupId}/liveMigrations/validate/${id}`;
  expect((await server.api.call('GET', own)).json).toMatchObject({ findings: [finding] });
  expect((await validations.findInProject(db, groupId, id))?.password_sealed).toBeNull();
  const unknown = await server.api.call('GET', `${base}/validate/${'e'.repeat(24)}`);
  expect(unknown.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
});

test('both versions of the body are read, each with its own attributes', async () => {
  await linkHost(server);
  const body = migrationBody(groupId);
  const own = (id: string) => `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}`;
  const refused = await server.api.call('POST', base, { body: { ...body, dropEnabled: true } });
  expect(refused.json).toMatchObject({
    errorCode: 'INVALID_ATTRIBUTE',
    parameters: ['dropEnabled'],
  });
  const old = await server.api.call('POST', `/api/atlas/v1.0/groups/${groupId}/liveMigrations`, {
    body: { ...body, dropEnabled: true },
  });
  expect(old.status).toBe(201);
  expect(old.headers).not.toHaveProperty('sunset');
  const id = textOf(old, '_id');
  expect((await server.api.call('GET', own(id))).json).toMatchObject({ dropDestinationData: true });
  await liveMigrations.setEnded(server.store.db, id, 'FAILED', 'test', timestamp());
  const current = await server.api.call('POST', base, { body });
  expect((await server.api.call('GET', own(textOf(current, '_id')))).json).toMatchObject({
    dropDestinationData: false,
  });
});

test('a request that names what is not there is refused with the attribute', async () => {
  const unlinked = await server.api.call('POST', base, { body: migrationBody(groupId) });
  expect(unlinked.json).toMatchObject({ error: 409, errorCode: 'ORG_LINK_NOT_LINKED' });
  await linkHost(server);
  const body = migrationBody(groupId);
  const { source, destination } = body;
  for (const [change, code, field] of [
    [
      { destination: { ...destination, groupId: SOURCE_PROJECT } },
      'GROUP_MISMATCH',
      'destination.groupId',
    ],
    [
      { destination: { ...destination, clusterName: 'none' } },
      'CLUSTER_NOT_FOUND',
      'destination.clusterName',
    ],
    [{ migrationHosts: ['host-9'] }, 'INVALID_ATTRIBUTE', 'migrationHosts'],
    [{ migrationHosts: [] }, 'INVALID_ATTRIBUTE', 'migrationHosts'],
    [{ source: { ...source, groupId: 'b'.repeat(24) } }, 'INVALID_ATTRIBUTE', 'source.groupId'],
    [{ source: { ...source, clusterName: 'none' } }, 'INVALID_ATTRIBUTE', 'source.clusterName'],
    [{ source: { ...source, password: '' } }, 'MISSING_ATTRIBUTE', 'source.password'],
    [{ source: { ...source, ssl: 'yes' } }, 'INVALID_JSON_ATTRIBUTE', 'source.ssl'],
    [{ sharding: { createSupportingIndexes: true } }, 'INVALID_ATTRIBUTE', 'sharding'],
    [
      { destination: { ...destination, hostnameSchemaType: 'MOON' } },
      'INVALID_ENUM_VALUE',
      'destination.hostnameSchemaType',
    ],
  ] as const) {
    const answer = await server.api.call('POST', base, { body: { ...body, ...change } });
    expect(answer.json).toMatchObject({
      errorCode: code,
      badRequestDetail: { fields: [{ field }] },
    });
    expect(answer.text).not.toContain('source-password');
  }
});

test('a member of the organization follows a migration, a project reader sees the detail', async () => {
  await linkHost(server);
  const created = await server.api.call('POST', base, { body: migrationBody(groupId) });
  const id = textOf(created, '_id');
  const made = await server.api.call('POST', `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'member', roles: ['ORG_MEMBER'] },
  });
  const member = apiClient(server.url, {
    publicKey: textOf(made, 'publicKey'),
    privateKey: textOf(made, 'privateKey'),
  });
  expect((await member.call('GET', `${base}/${id}`)).status).toBe(200);
  expect((await member.call('PUT', `${base}/${id}/cutover`)).status).toBe(401);
  expect(
    (await member.call('GET', `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}`)).status,
  ).toBe(401);
});
