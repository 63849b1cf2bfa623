import { afterAll, beforeAll, expect, test } from 'vitest';
import { API_BASES, isServedAt } from '../../src/http/version.ts';
import type { Endpoint } from '../../src/http/endpoint.ts';
import { type Api, apiClient, type Credentials, textOf } from '../support/api.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { linkHost, makeDestination, migrationBody, type Tenant } from '../support/link.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** Ids of everything that a tenant has, by the name of the path parameter that takes it. */
type Ids = Readonly<Record<string, string>>;

let server: TestServer;
let own: Tenant;
let ownIds: Ids;
let foreign: Tenant;
let foreignIds: Ids;
let before: string;

beforeAll(async () => {
  server = await startTestServer();
  own = server;
  const made = await server.api.call('POST', '/api/atlas/v1.0/orgs', {
    body: { name: 'Foreign', apiKey: { desc: 'owner', roles: ['ORG_OWNER'] } },
  });
  foreign = {
    store: server.store,
    orgId: (made.json['organization'] as { id: string }).id,
    api: apiClient(server.url, made.json['apiKey'] as Credentials),
  };
  ownIds = await furnish(own, 'Own');
  foreignIds = await furnish(foreign, 'Foreign');
  before = await everythingOf(foreign.api);
});
afterAll(() => server[Symbol.asyncDispose]());

/** Makes one of everything. */
async function furnish(tenant: Tenant, name: string): Promise<Ids> {
  const { api, orgId } = tenant;
  const v2 = (path: string, body?: unknown) => api.call('POST', `/api/atlas/v2${path}`, { body });
  const { hostId } = await linkHost(tenant);
  const groupId = await makeDestination(tenant, name);
  const key = await v2(`/orgs/${orgId}/apiKeys`, { desc: 'key', roles: ['ORG_MEMBER'] });
  const apiUserId = textOf(key, 'id');
  await v2(`/orgs/${orgId}/apiKeys/${apiUserId}/accessList`, [{ ipAddress: '192.0.2.1' }]);
  await v2(`/groups/${groupId}/apiKeys/${apiUserId}`, [{ roles: ['GROUP_READ_ONLY'] }]);
  const validation = await v2(`/groups/${groupId}/liveMigrations/validate`, migrationBody(groupId));
  const migration = await v2(`/groups/${groupId}/liveMigrations`, migrationBody(groupId));
  const account = await v2(`/orgs/${orgId}/serviceAccounts`, {
    name: 'account',
    description: 'account',
    roles: ['ORG_MEMBER'],
    secretExpiresAfterHours: 24,
  });
  const clientId = textOf(account, 'clientId');
  await v2(`/orgs/${orgId}/serviceAccounts/${clientId}/accessList`, [{ ipAddress: '192.0.2.1' }]);
  const secret = (account.json['secrets'] as { id: string }[])[0];
  const events = await api.call('GET', `/api/atlas/v2/groups/${groupId}/events`);
  return {
    orgId,
    groupId,
    groupName: name,
    clusterName: 'target',
    hostId,
    apiUserId,
    ipAddress: '192.0.2.1',
    validationId: textOf(validation, '_id'),
    liveMigrationId: textOf(migration, '_id'),
    clientId,
    secretId: secret?.id ?? '',
    eventId: (events.json['results'] as { id: string }[])[0]?.id ?? '',
  };
}

/** What the tenant's owner can read, apart from events and ages. */
async function everythingOf(api: Api): Promise<string> {
  const texts: string[] = [];
  for (const { endpoint, path } of routes(foreignIds, foreignIds)) {
    if (endpoint.method !== 'GET' || endpoint.operationId.includes('Event')) continue;
    const answer = await api.call('GET', path);
    expect(`${path} ${answer.status}`).toBe(`${path} 200`);
    texts.push(`${path} ${answer.text}`);
  }
  return texts.join('\n');
}

/** Every operation at every base. */
function routes(parents: Ids, children: Ids): { endpoint: Endpoint; path: string }[] {
  return API_BASES.flatMap((base) =>
    everyEndpoint(server)
      .filter((endpoint) => isServedAt(endpoint, base))
      .map((endpoint) => ({
        endpoint,
        path:
          base.path +
          endpoint.path.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
            const id = (name === 'orgId' || name === 'groupId' ? parents : children)[name];
            if (id === undefined) throw new Error(`give an id for {${name}}`);
            return encodeURIComponent(id);
          }),
      })),
  );
}

/** A body that would be taken if the ids were the caller's own. */
function bodyOf({ operationId }: Endpoint, groupId: string): unknown {
  const bodies: Readonly<Record<string, unknown>> = {
    updateOrgApiKey: { desc: 'taken' },
    updateGroupApiKeyRoles: { roles: ['GROUP_OWNER'] },
    addGroupApiKey: [{ roles: ['GROUP_OWNER'] }],
    createOrgApiKeyAccessListEntry: [{ ipAddress: '192.0.2.2' }],
    updateDestinationCluster: { connectionString: 'mongodb://x.example.com/' },
    updateOrgServiceAccount: { name: 'taken' },
    createOrgServiceAccountSecret: { secretExpiresAfterHours: 24 },
    createOrgServiceAccountAccessList: [{ ipAddress: '192.0.2.2' }],
    createGroupLiveMigration: migrationBody(groupId),
    createLiveMigration: migrationBody(groupId),
    validateLiveMigration: migrationBody(groupId),
    updateLiveMigration: { windowHours: 500 },
    cancelLiveMigration: { dropCopied: true },
    moveLiveMigration: {},
    validateGroupLiveMigrations: migrationBody(groupId),
  };
  return bodies[operationId];
}

/** Parts of a path beside its organization or project. */
function childNames({ path }: Endpoint): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)]
    .map((match) => match[1] ?? '')
    .filter((name) => name !== 'orgId' && name !== 'groupId');
}

test('C9: the path of another organization or project opens nothing', async () => {
  for (const { endpoint, path } of routes(foreignIds, foreignIds)) {
    if (endpoint.scope === 'user') continue;
    const answer = await own.api.call(endpoint.method, path, {
      body: bodyOf(endpoint, foreignIds['groupId'] ?? '') ?? {},
    });
    const code = endpoint.scope === 'org' ? 'USER_CANNOT_ACCESS_ORG' : 'USER_CANNOT_ACCESS_GROUP';
    expect(`${path} ${String(answer.headers['x-error-code'])}`).toBe(`${path} ${code}`);
  }
});

test('C9: ids of another organization below an own path are as if they did not exist', async () => {
  const unknown: Record<string, string> = Object.fromEntries(
    Object.keys(ownIds).map((name) => [name, foreignIds[name] ?? '']),
  );
  let tried = 0;
  for (const { endpoint, path } of routes(ownIds, unknown)) {
    const names = childNames(endpoint);
    // A cluster's name and an address are the same on both sides: they lead to the caller's own.
    if (names.every((name) => name === 'clusterName' || name === 'ipAddress')) continue;
    const body = bodyOf(endpoint, ownIds['groupId'] ?? '');
    const takesBody = endpoint.versions.some((version) => version.body !== undefined);
    if (takesBody && body === undefined) throw new Error(`give a body for ${endpoint.operationId}`);
    const answer = await own.api.call(endpoint.method, path, { body });
    const known = [404, 400].includes(answer.status);
    expect(`${endpoint.method} ${path} ${known}`).toBe(`${endpoint.method} ${path} true`);
    if (answer.status === 400)
      expect(answer.json).toMatchObject({ errorCode: 'API_KEY_NOT_FOUND' });
    tried += 1;
  }
  expect(tried).toBeGreaterThan(20);
});

test('C9: ids of another organization in a body are refused', async () => {
  const group = await own.api.call('POST', '/api/atlas/v2/groups', {
    body: { name: 'Smuggled', orgId: foreign.orgId },
  });
  expect(group.json).toMatchObject({ error: 401, errorCode: 'USER_CANNOT_ACCESS_ORG' });
  const path = `/api/atlas/v2/groups/${ownIds['groupId']}/liveMigrations`;
  for (const at of [path, `${path}/validate`]) {
    const answer = await own.api.call('POST', at, {
      body: migrationBody(foreignIds['groupId'] ?? ''),
    });
    expect(answer.json).toMatchObject({ error: 400, errorCode: 'GROUP_MISMATCH' });
  }
});

test('C9: after all of it the other organization is as it was', async () => {
  expect(await everythingOf(foreign.api)).toBe(before);
});
