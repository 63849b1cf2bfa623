import type { Progress } from '@linkspan/contract/push/progress.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { timestamp } from '../../src/domain/time.ts';
import type { Endpoint } from '../../src/http/endpoint.ts';
import { API_BASES, isServedAt } from '../../src/http/version.ts';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import { type Api, apiClient, type Credentials, type Json, textOf } from '../support/api.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { addHost, HOSTNAME, linkHost, migrationBody } from '../support/link.ts';
import { READY } from '../support/progress.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let endpoints: readonly Endpoint[];
let caller: Api;
let key: { readonly id: string; readonly publicKey: string };
beforeAll(async () => {
  server = await startTestServer();
  endpoints = everyEndpoint(server);
  const made = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'caller', roles: ['ORG_OWNER'] },
  });
  caller = apiClient(server.url, made.json as unknown as Credentials);
  key = { id: textOf(made, 'id'), publicKey: textOf(made, 'publicKey') };
});
afterAll(() => server[Symbol.asyncDispose]());

const walked = new Set<string>();

/** Calls an operation and compares the events that came up, in their order. */
async function change(
  operationId: string,
  parameters: Readonly<Record<string, string>>,
  body: unknown,
  expected: readonly (readonly [type: string, target?: string])[],
  orgId = server.orgId,
  as = caller,
): Promise<Json> {
  const endpoint = endpoints.find((candidate) => candidate.operationId === operationId);
  const base = API_BASES.findLast((candidate) => endpoint && isServedAt(endpoint, candidate));
  if (endpoint === undefined || base === undefined) throw new Error(`no operation ${operationId}`);
  const path =
    base.path +
    endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
      encodeURIComponent(parameters[name] ?? `no ${name}`),
    );
  const { db } = server.store;
  const before = (await events.listByOrganization(db, orgId)).length;
  const answer = await as.call(endpoint.method, path, body === undefined ? {} : { body });
  expect(`${operationId} ${answer.status} ${answer.text.slice(0, 300)}`).toMatch(
    new RegExp(`^${operationId} ${endpoint.status} `),
  );
  const found = orgId === 'the new one' ? (answer.json['organization'] as Json)['id'] : orgId;
  const recorded = (await events.listByOrganization(db, String(found))).slice(before);
  expect({ operationId, types: recorded.map((event) => event.event_type) }).toEqual({
    operationId,
    types: expected.map(([type]) => type),
  });
  for (const [index, event] of recorded.entries()) {
    const [type, target] = expected[index] ?? [];
    // The server itself tells of what it has proven after the change.
    if (type === 'LIVE_MIGRATION_LINK_REMOVED') continue;
    if (as === caller) expect(event.api_key_id).toBe(key.id);
    if (as === caller) expect(event.public_key).toBe(key.publicKey);
    expect(event.remote_address).toBe('127.0.0.1');
    expect(event.target_id).toMatch(/^(mdb_sa_id_)?[0-9a-f]{24}$/);
    if (target !== undefined) expect(`${type} ${event.target_id}`).toBe(`${type} ${target}`);
  }
  walked.add(operationId);
  return answer.text === '' ? {} : answer.json;
}

const PROGRESS: Progress = {
  ...READY,
  rates: { documentsPerSecond: 1, bytesPerSecond: 1, changesPerSecond: 1, wireBytesPerSecond: 1 },
  etaSeconds: 0,
  holdingBack: 'SOURCE',
};

/** As the gateway keeps a report. */
async function report(id: string): Promise<void> {
  await server.store.transaction(async (tx) => {
    const epoch = (await liveMigrations.nextEpoch(tx, id)) ?? 0;
    await liveMigrations.setProgress(tx, id, epoch, JSON.stringify(PROGRESS), timestamp());
  });
}

test('each change of organization, project and keys is an event with who and what', async () => {
  const { orgId } = server;
  const org = { orgId };
  await change('updateOrg', org, { name: 'Renamed' }, [['ORG_RENAMED', orgId]]);
  const settings = { genAIFeaturesEnabled: false };
  await change('updateOrgSettings', org, settings, [['ORG_SETTINGS_UPDATED', orgId]]);
  const project = await change('createGroup', {}, { name: 'Project', orgId }, [['GROUP_CREATED']]);
  const groupId = String(project['id']);
  await change('updateGroup', { groupId }, { name: 'Other' }, [['GROUP_NAME_CHANGED', groupId]]);
  const alerts = { withDefaultAlertsSettings: false };
  await change('updateGroup', { groupId }, alerts, [['GROUP_SETTINGS_UPDATED', groupId]]);
  const tags = [{ key: 'a', value: 'b' }];
  await change('updateGroup', { groupId }, { tags }, [['GROUP_TAGS_CHANGED', groupId]]);

  const made = await change('createOrgApiKey', org, { desc: 'key', roles: ['ORG_MEMBER'] }, [
    ['API_KEY_CREATED'],
  ]);
  const apiUserId = String(made['id']);
  const own = { orgId, groupId, apiUserId };
  const roles = { roles: ['ORG_READ_ONLY'] };
  await change('updateOrgApiKey', own, roles, [['API_KEY_ROLES_CHANGED', apiUserId]]);
  const described = [['API_KEY_DESCRIPTION_CHANGED', apiUserId]] as const;
  await change('updateOrgApiKey', own, { desc: 'described' }, described);
  const group = { roles: ['GROUP_OWNER'] };
  await change('addGroupApiKey', own, [group], [['API_KEY_ADDED_TO_GROUP', apiUserId]]);
  const reader = { roles: ['GROUP_READ_ONLY'] };
  await change('updateGroupApiKeyRoles', own, reader, [['API_KEY_ROLES_CHANGED', apiUserId]]);
  await change('removeGroupApiKey', own, undefined, [['API_KEY_REMOVED_FROM_GROUP', apiUserId]]);
  await change('createGroupApiKey', own, { desc: 'of it', ...group }, [['API_KEY_CREATED']]);
  await change(
    'createOrgApiKeyAccessListEntry',
    own,
    [{ ipAddress: '192.0.2.1' }],
    [['API_KEY_ACCESS_LIST_ENTRY_ADDED', apiUserId]],
  );
  const entry = { ...own, ipAddress: '192.0.2.1' };
  await change('deleteOrgApiKeyAccessListEntry', entry, undefined, [
    ['API_KEY_ACCESS_LIST_ENTRY_DELETED', apiUserId],
  ]);
  await change('deleteOrgApiKey', own, undefined, [['API_KEY_DELETED', apiUserId]]);
  await change('deleteGroup', { groupId }, undefined, [['GROUP_DELETED', groupId]]);
});

test('each change of a service account is an event with who and what', async () => {
  const { orgId } = server;
  const made = await change(
    'createOrgServiceAccount',
    { orgId },
    { name: 'account', description: 'text', roles: ['ORG_MEMBER'], secretExpiresAfterHours: 24 },
    [['SERVICE_ACCOUNT_CREATED']],
  );
  const clientId = String(made['clientId']);
  const own = { orgId, clientId };
  const renamed = [['SERVICE_ACCOUNT_UPDATED', clientId]] as const;
  await change('updateOrgServiceAccount', own, { name: 'renamed' }, renamed);
  const secret = await change(
    'createOrgServiceAccountSecret',
    own,
    { secretExpiresAfterHours: 8 },
    [['SERVICE_ACCOUNT_SECRET_ADDED', clientId]],
  );
  const secretId = String(secret['id']);
  await change('deleteOrgServiceAccountSecret', { ...own, secretId }, undefined, [
    ['SERVICE_ACCOUNT_SECRET_DELETED', clientId],
  ]);
  await change(
    'createOrgServiceAccountAccessList',
    own,
    [{ ipAddress: '192.0.2.1' }],
    [['SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED', clientId]],
  );
  const entry = { ...own, ipAddress: '192.0.2.1' };
  await change('deleteOrgServiceAccountAccessListEntry', entry, undefined, [
    ['SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED', clientId],
  ]);
  await change('deleteOrgServiceAccount', own, undefined, [['SERVICE_ACCOUNT_DELETED', clientId]]);
});

test('each change of clusters, link and migrations is an event with who and what', async () => {
  const { orgId } = server;
  const project = await change('createGroup', {}, { name: 'Target', orgId }, [['GROUP_CREATED']]);
  const groupId = String(project['id']);
  const connectionString = 'mongodb://writer:hidden@db.example.com/?replicaSet=rs0';
  const cluster = await change(
    'createDestinationCluster',
    { groupId },
    { name: 'target', connectionString },
    [['CLUSTER_CREATED']],
  );
  const clusterId = String(cluster['id']);
  const named = { groupId, clusterName: 'target' };
  await change('testDestinationClusterConnection', named, undefined, [
    ['CLUSTER_CONNECTION_TESTED', clusterId],
  ]);
  const updated = [['CLUSTER_UPDATE_COMPLETED', clusterId]] as const;
  await change('updateDestinationCluster', named, { connectionString }, updated);

  const token = [['API_KEY_CREATED'], ['LIVE_MIGRATION_LINK_TOKEN_CREATED']] as const;
  const removed = [
    ['API_KEY_DELETED'],
    ['LIVE_MIGRATION_LINK_TOKEN_DELETED'],
    ['LIVE_MIGRATION_LINK_REMOVED'],
  ] as const;
  await change('createOrgLiveMigrationLinkToken', { orgId }, {}, token);
  await change('deleteOrgLiveMigrationLinkTokens', { orgId }, undefined, removed);

  const { linkId } = await linkHost(server, HOSTNAME);
  await links.suspendAll(server.store.db, timestamp());
  const confirmed = [['LIVE_MIGRATION_LINK_CONFIRMED', linkId]] as const;
  await change('confirmOrganizationLink', { orgId }, undefined, confirmed);
  await change('confirmOrganizationLink', { orgId }, undefined, []);
  const further = [['LIVE_MIGRATION_HOST_TOKEN_CREATED', linkId]] as const;
  await change('createOrganizationLinkHostToken', { orgId }, undefined, further);
  const hostId = await addHost(server, 'host-2.example.com');
  const body = migrationBody(groupId);
  await change('validateGroupLiveMigrations', { groupId }, body, [
    ['LIVE_MIGRATION_VALIDATION_CREATED'],
  ]);
  const names = { include: ['shop'], rename: [{ from: 'shop', to: 'store' }] };
  const own = { ...body, namespaces: names };
  await change('validateLiveMigration', { groupId }, own, [['LIVE_MIGRATION_VALIDATION_CREATED']]);
  const create = async () => {
    const created = [['LIVE_MIGRATION_CREATED']] as const;
    const made = await change('createGroupLiveMigration', { groupId }, body, created);
    const liveMigrationId = String(made['_id']);
    return { groupId, liveMigrationId };
  };
  const first = await change('createLiveMigration', { groupId }, own, [['LIVE_MIGRATION_CREATED']]);
  const firstId = String(first['_id']);
  const drop = { dropCopied: true };
  await change('cancelLiveMigration', { groupId, liveMigrationId: firstId }, drop, [
    ['CLUSTER_IMPORT_CANCELLED', firstId],
  ]);
  await liveMigrations.endDropping(server.store.db, firstId, 'DROPPED');
  const one = await create();
  const { liveMigrationId: id } = one;
  await report(id);
  await change('moveLiveMigration', one, undefined, [['LIVE_MIGRATION_MOVED', id]]);
  await change('deleteOrganizationLinkHost', { orgId, hostId }, undefined, [
    ['LIVE_MIGRATION_MOVED', id],
    ['LIVE_MIGRATION_HOST_UNLINKED', hostId],
    ['LIVE_MIGRATION_HOST_REMOVED', hostId],
  ]);
  await change('pauseLiveMigration', one, undefined, [['LIVE_MIGRATION_PAUSED', id]]);
  await change('resumeLiveMigration', one, undefined, [['LIVE_MIGRATION_RESUMED', id]]);
  await change('verifyLiveMigration', one, undefined, [
    ['LIVE_MIGRATION_VERIFICATION_REQUESTED', id],
  ]);
  await change('repairLiveMigration', one, undefined, [['LIVE_MIGRATION_REPAIR_REQUESTED', id]]);
  await change('cancelLiveMigration', one, undefined, [['CLUSTER_IMPORT_CANCELLED', id]]);
  const two = await create();
  await report(two.liveMigrationId);
  const throttle = { bytesPerSecond: 1000 };
  await change('updateLiveMigration', two, { throttle, windowHours: 200 }, [
    ['LIVE_MIGRATION_THROTTLE_CHANGED', two.liveMigrationId],
    ['LIVE_MIGRATION_WINDOW_CHANGED', two.liveMigrationId],
  ]);
  await change('updateLiveMigration', two, { throttle, windowHours: 200 }, []);
  const cutover = [['CLUSTER_IMPORT_CUTOVER', two.liveMigrationId]] as const;
  await change('cutoverGroupLiveMigration', two, undefined, cutover);
  // One that is under way already: nothing changes.
  await change('cutoverLiveMigration', two, undefined, []);
  await change('deleteOrgLiveMigrationLinkTokens', { orgId }, undefined, [
    ...removed.slice(0, 2),
    ['LIVE_MIGRATION_FAILED', two.liveMigrationId],
    ['CLUSTER_IMPORT_VALIDATION_FAIL'],
    ['CLUSTER_IMPORT_VALIDATION_FAIL'],
    ...removed.slice(2),
  ]);
  await change('deleteDestinationCluster', named, undefined, [['CLUSTER_DELETED', clusterId]]);
});

test('a new organization, and its end with all of its keys, are events', async () => {
  const body = { name: 'New', apiKey: { desc: 'its own', roles: ['ORG_OWNER'] } };
  const created = [['ORG_CREATED'], ['API_KEY_CREATED']] as const;
  const made = await change('createOrg', {}, body, created, 'the new one');
  const orgId = String((made['organization'] as Json)['id']);
  const own = apiClient(server.url, made['apiKey'] as Credentials);
  const gone = [['API_KEY_DELETED'], ['ORG_DELETED', orgId]] as const;
  await change('deleteOrg', { orgId }, undefined, gone, orgId, own);
});

test('no operation that changes something was left out', () => {
  const changing = endpoints.filter(({ method }) => method !== 'GET');
  const left = changing.map(({ operationId }) => operationId).filter((id) => !walked.has(id));
  expect(left).toEqual([]);
});
