import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiClient, textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

/** Another organization, with its owner's client. */
async function otherOrganization(name: string) {
  const made = await server.api.call('POST', '/api/atlas/v2/orgs', {
    body: { name, apiKey: { desc: 'first key', roles: ['ORG_OWNER'] } },
  });
  expect(made.status).toBe(201);
  const { apiKey, organization } = made.json as {
    apiKey: { publicKey: string; privateKey: string };
    organization: { id: string };
  };
  return { orgId: organization.id, api: apiClient(server.url, apiKey) };
}

test('organizations are made, shown, renamed and removed', async () => {
  const { orgId, api } = await otherOrganization('Second');
  const path = `/api/atlas/v1.0/orgs/${orgId}`;
  expect((await api.call('GET', path)).json).toEqual({
    id: orgId,
    isDeleted: false,
    links: [
      { href: server.url + path, rel: 'self' },
      { href: `${server.url}${path}/groups`, rel: 'https://cloud.mongodb.com/groups' },
    ],
    name: 'Second',
    skipDefaultAlertsSettings: false,
  });
  expect((await api.call('GET', '/api/atlas/v1.0/orgs')).json).toMatchObject({
    results: [{ id: orgId }],
    totalCount: 1,
  });
  const kept = { name: 'Second', skipDefaultAlertsSettings: true };
  expect((await api.call('PATCH', path, { body: kept })).json).toMatchObject(kept);
  const renamed = await api.call('PATCH', path, { body: { name: 'Third' } });
  expect(renamed.json).toMatchObject({ skipDefaultAlertsSettings: true });
  expect(renamed.json).toMatchObject({ name: 'Third' });
  const bad = await api.call('PATCH', path, { body: { name: 'a<b' } });
  expect(bad.json).toMatchObject({ errorCode: 'INVALID_ORG_NAME', parameters: ['a<b'] });
  expect((await api.call('DELETE', path)).status).toBe(204);
  expect((await api.call('GET', path)).status).toBe(401);
});

test('an organization with projects, a link or active migrations is not removed', async () => {
  await using own = await startTestServer();
  const path = `/api/atlas/v1.0/orgs/${own.orgId}`;
  const groupId = await makeDestination(own);
  expect((await own.api.call('DELETE', path)).json).toMatchObject({ errorCode: 'ORG_NOT_EMPTY' });
  await linkHost(own);
  expect((await own.api.call('DELETE', path)).json).toMatchObject({ errorCode: 'ORG_HAS_LINK' });
  await own.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: migrationBody(groupId),
  });
  expect((await own.api.call('DELETE', path)).json).toMatchObject({
    error: 409,
    errorCode: 'CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK',
    parameters: [groupId],
  });
  const project = await own.api.call('DELETE', `/api/atlas/v1.0/groups/${groupId}`);
  expect(project.json).toMatchObject({ errorCode: 'CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS' });
});

test('projects are made, found by name, and removed with the record of their migrations', async () => {
  const body = { name: 'Shop', orgId: server.orgId };
  const made = await server.api.call('POST', '/api/atlas/v2/groups', { body });
  expect(made.status).toBe(201);
  const id = textOf(made, 'id');
  expect(textOf(made, 'created')).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const again = await server.api.call('POST', '/api/atlas/v2/groups', { body });
  expect(again.status).toBe(409);
  expect(again.json).toMatchObject({ errorCode: 'GROUP_ALREADY_EXISTS', parameters: ['Shop'] });
  const found = await server.api.call('GET', '/api/atlas/v2/groups/byName/Shop');
  // The creation alone leaves out an empty list of tags, as recorded.
  expect(found.json).toEqual({ ...made.json, tags: [] });
  const got = await server.api.call('GET', `/api/atlas/v2/groups/${id}`);
  expect(got.json).toEqual({ ...made.json, tags: [] });
  expect((await server.api.call('GET', '/api/atlas/v2/groups')).text).toContain('"tags":[]');
  const missing = await server.api.call('GET', '/api/atlas/v2/groups/byName/None');
  expect(missing.json).toMatchObject({ error: 404, errorCode: 'GROUP_NAME_NOT_FOUND' });
  const removed = await server.api.call('DELETE', `/api/atlas/v2/groups/${id}`);
  expect(removed.status).toBe(202);
  expect(removed.text).toBe('{}');
  const gone = await server.api.call('GET', `/api/atlas/v2/groups/${id}`);
  expect(gone.json).toMatchObject({ error: 404, errorCode: 'GROUP_NOT_FOUND', parameters: [id] });
});

test('what has no effect here is read back as it was given', async () => {
  const kept = {
    regionUsageRestrictions: 'COMMERCIAL_FEDRAMP_REGIONS_ONLY',
    withDefaultAlertsSettings: false,
  };
  const body = { name: 'Kept', orgId: server.orgId, ...kept };
  const made = await server.api.call('POST', '/api/atlas/v2/groups', { body });
  expect(made.json).toMatchObject(kept);
  const path = `/api/atlas/v2/groups/${textOf(made, 'id')}`;
  expect((await server.api.call('GET', path)).json).toMatchObject(kept);
  const changed = { withDefaultAlertsSettings: true };
  const updated = await server.api.call('PATCH', path, { body: changed });
  expect(updated.json).toMatchObject({ ...kept, ...changed });
  expect((await server.api.call('GET', path)).json).toEqual(updated.json);
  const apiKey = { desc: 'first', roles: ['ORG_OWNER'] };
  const organization = { name: 'Kept', apiKey, skipDefaultAlertsSettings: true };
  const other = await server.api.call('POST', '/api/atlas/v2/orgs', { body: organization });
  expect(other.json).toMatchObject({
    organization: { skipDefaultAlertsSettings: true },
    skipDefaultAlertsSettings: true,
  });
});

test('ids that are malformed, unknown or of another organization are told apart', async () => {
  const { api } = await otherOrganization('Stranger');
  const unknown = 'f'.repeat(24);
  const group = await server.api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'told apart', orgId: server.orgId },
  });
  for (const [path, status, code] of [
    ['/api/atlas/v1.0/orgs/555', 404, 'INVALID_ORG_ID'],
    ['/api/atlas/v1.0/groups/555', 404, 'INVALID_GROUP_ID'],
    [`/api/atlas/v1.0/orgs/${unknown}`, 404, 'ORG_NOT_FOUND'],
    [`/api/atlas/v1.0/groups/${unknown}`, 404, 'GROUP_NOT_FOUND'],
    [`/api/atlas/v1.0/orgs/${server.orgId}`, 401, 'USER_CANNOT_ACCESS_ORG'],
    [`/api/atlas/v1.0/groups/${textOf(group, 'id')}`, 401, 'USER_CANNOT_ACCESS_GROUP'],
  ] as const) {
    const answer = await api.call('GET', path);
    expect(answer.status).toBe(status);
    expect(answer.headers['x-error-code']).toBe(code);
    expect(answer.headers).toHaveProperty('ratelimit-limit');
  }
});

test('C9: nothing of another organization is reached by its id', async () => {
  const { api, orgId } = await otherOrganization('Foreign');
  const groupId = await makeDestination(server, 'Ours');
  const theirs = textOf(
    await api.call('POST', '/api/atlas/v1.0/groups', { body: { name: 'Theirs', orgId } }),
    'id',
  );
  await linkHost(server);
  const made = await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: migrationBody(groupId),
  });
  const migrationId = textOf(made, '_id');
  const key = textOf(
    await server.api.call('POST', `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`, {
      body: { desc: 'ours', roles: ['ORG_MEMBER'] },
    }),
    'id',
  );
  for (const [method, path, status] of [
    ['GET', `/api/atlas/v1.0/groups/${theirs}/liveMigrations/${migrationId}`, 404],
    ['PUT', `/api/atlas/v1.0/groups/${theirs}/liveMigrations/${migrationId}/cutover`, 404],
    ['GET', `/api/linkspan/v1/groups/${theirs}/liveMigrations/${migrationId}`, 404],
    ['GET', `/api/linkspan/v1/groups/${theirs}/clusters/target`, 404],
    ['DELETE', `/api/linkspan/v1/groups/${theirs}/clusters/target`, 404],
    ['GET', `/api/atlas/v1.0/orgs/${orgId}/apiKeys/${key}`, 400],
    ['DELETE', `/api/atlas/v1.0/orgs/${orgId}/apiKeys/${key}`, 400],
    ['GET', `/api/atlas/v1.0/orgs/${orgId}/apiKeys/${key}/accessList`, 400],
    ['GET', `/api/atlas/v1.0/groups/${groupId}/liveMigrations/${migrationId}`, 401],
    ['DELETE', `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/linkTokens`, 401],
  ] as const) {
    const answer = await api.call(method, path);
    expect(`${method} ${path} ${answer.status}`).toBe(`${method} ${path} ${status}`);
  }
  const patched = await api.call('PATCH', `/api/atlas/v1.0/groups/${theirs}/apiKeys/${key}`, {
    body: { roles: ['GROUP_OWNER'] },
  });
  expect(patched.json).toMatchObject({ errorCode: 'API_KEY_NOT_FOUND', parameters: [key] });
  const elsewhere = await api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'Intruder', orgId: server.orgId },
  });
  expect(elsewhere.json).toMatchObject({ errorCode: 'USER_CANNOT_ACCESS_ORG' });
  const mismatch = await api.call('POST', `/api/atlas/v2/groups/${theirs}/liveMigrations`, {
    body: migrationBody(groupId),
  });
  expect(mismatch.json).toMatchObject({ errorCode: 'GROUP_MISMATCH', parameters: [groupId] });
});

test('what no store can look for is refused by name', async () => {
  const path = await server.api.call('GET', '/api/atlas/v1.0/groups/byName/a%00b');
  expect([path.status, path.json['errorCode'], path.json['parameters']]).toEqual([
    400,
    'INVALID_PATH_PARAMETER',
    ['groupName'],
  ]);
  const query = await server.api.call('GET', '/api/atlas/v1.0/orgs?name=%00');
  expect([query.status, query.json['errorCode']]).toEqual([400, 'INVALID_QUERY_PARAMETER']);
});
