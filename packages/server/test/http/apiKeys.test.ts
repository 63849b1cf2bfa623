import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { decodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import { type Api, apiClient, type Response, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let keys: string;
let groupId: string;
beforeAll(async () => {
  server = await startTestServer();
  keys = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
  const project = await server.api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'Project', orgId: server.orgId },
  });
  groupId = textOf(project, 'id');
});
afterAll(() => server[Symbol.asyncDispose]());

function clientOf(made: Response): Api {
  return apiClient(server.url, {
    publicKey: textOf(made, 'publicKey'),
    privateKey: textOf(made, 'privateKey'),
  });
}

test('a key is shown whole once, then redacted; changed; removed', async () => {
  const made = await server.api.call('POST', keys, {
    body: { desc: 'reader', roles: ['ORG_READ_ONLY'] },
  });
  expect(made.status).toBe(200);
  const id = textOf(made, 'id');
  const privateKey = textOf(made, 'privateKey');
  expect(textOf(made, 'publicKey')).toMatch(/^[a-z]{8}$/);
  expect(privateKey).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
  expect(made.json['roles']).toEqual([{ orgId: server.orgId, roleName: 'ORG_READ_ONLY' }]);
  const shown = await server.api.call('GET', `${keys}/${id}`);
  expect(shown.json).toEqual({
    ...made.json,
    privateKey: `********-****-****-${privateKey.slice(-12)}`,
  });
  expect((await server.api.call('GET', keys)).text).toContain(id);
  const changed = await server.api.call('PATCH', `${keys}/${id}`, {
    body: { desc: 'member', roles: ['ORG_MEMBER'] },
  });
  expect(changed.json).toMatchObject({ desc: 'member', roles: [{ roleName: 'ORG_MEMBER' }] });
  const client = clientOf(made);
  expect((await client.call('GET', `${keys}/${id}`)).status).toBe(200);
  expect((await server.api.call('DELETE', `${keys}/${id}`)).status).toBe(204);
  expect((await client.call('GET', `${keys}/${id}`)).text).toBe(UNAUTHORIZED_BODY);
  const gone = await server.api.call('GET', `${keys}/${id}`);
  expect(gone.status).toBe(400);
  expect(gone.json).toMatchObject({ errorCode: 'API_KEY_NOT_FOUND', parameters: [id] });
});

test('a null among the roles says nothing', async () => {
  const made = await server.api.call('POST', keys, {
    body: { desc: 'x', roles: ['ORG_MEMBER', null] },
  });
  expect(made.json['roles']).toEqual([{ orgId: server.orgId, roleName: 'ORG_MEMBER' }]);
  const none = await server.api.call('POST', keys, { body: { desc: 'x', roles: [null] } });
  expect(none.json).toMatchObject({ error: 400, errorCode: 'MISSING_API_KEY_ROLES' });
});

test('roles that are not granted, and the last owner, are refused', async () => {
  const unknown = await server.api.call('POST', keys, { body: { desc: 'x', roles: ['KING'] } });
  expect(unknown.json).toMatchObject({ errorCode: 'INVALID_ENUM_VALUE', parameters: ['KING'] });
  const own = `${keys}/${server.owner.id}`;
  const last = await server.api.call('DELETE', own);
  expect(last.json).toMatchObject({ error: 409, errorCode: 'CANNOT_REMOVE_LAST_ORG_OWNER' });
  const lower = await server.api.call('PATCH', own, { body: { roles: ['ORG_MEMBER'] } });
  expect(lower.json).toMatchObject({ errorCode: 'CANNOT_REMOVE_LAST_ORG_OWNER' });
});

test('C5: the key of a link opens nothing in the API', async () => {
  await using linked = await startTestServer();
  const path = `/api/atlas/v1.0/orgs/${linked.orgId}`;
  const made = await linked.api.call('POST', `${path}/liveMigrations/linkTokens`, {
    body: { accessListIps: ['192.0.2.0/24'] },
  });
  expect(made.status).toBe(201);
  const token = decodeLinkToken(textOf(made, 'linkToken'));
  expect(token).toMatchObject({ endpoint: linked.url, orgId: linked.orgId });
  const answer = await apiClient(linked.url, token).call('GET', path);
  expect(answer.status).toBe(401);
  expect(answer.text).toBe(UNAUTHORIZED_BODY);
});

test('an access list admits only its addresses', async () => {
  const made = await server.api.call('POST', keys, {
    body: { desc: 'listed', roles: ['ORG_MEMBER'] },
  });
  const id = textOf(made, 'id');
  const list = `${keys}/${id}/accessList`;
  const added = await server.api.call('POST', list, {
    body: [{ ipAddress: '192.0.2.7' }, { cidrBlock: '198.51.100.0/24' }],
  });
  expect(added.status).toBe(200);
  expect(added.json).toMatchObject({
    totalCount: 2,
    results: [
      { cidrBlock: '192.0.2.7/32', ipAddress: '192.0.2.7' },
      { cidrBlock: '198.51.100.0/24' },
    ],
  });
  const client = clientOf(made);
  const refused = await client.call('GET', keys);
  expect(refused.status).toBe(403);
  expect(refused.json).toMatchObject({
    errorCode: 'IP_ADDRESS_NOT_ON_ACCESS_LIST',
    parameters: ['127.0.0.1'],
  });
  await server.api.call('POST', list, { body: [{ cidrBlock: '127.0.0.0/8' }] });
  expect((await client.call('GET', keys)).status).toBe(200);
  const block = encodeURIComponent('198.51.100.0/24');
  expect((await server.api.call('GET', `${list}/${block}`)).status).toBe(200);
  expect((await server.api.call('DELETE', `${list}/${block}`)).status).toBe(204);
  const gone = await server.api.call('DELETE', `${list}/${block}`);
  expect(gone.json).toMatchObject({ errorCode: 'API_KEY_WHITELIST_NOT_FOUND' });
  const wrong = await server.api.call('POST', list, { body: [{ ipAddress: 'here' }] });
  expect(wrong.json).toMatchObject({
    errorCode: 'INVALID_IP_ADDRESS_OR_CIDR_NOTATION',
    parameters: ['here'],
  });
});

test.each([
  [{ desc: ' ', roles: ['ORG_MEMBER'] }, 'API_KEY_REQUIRES_DESCRIPTION', 'desc'],
  [{ desc: 'x'.repeat(251), roles: ['ORG_MEMBER'] }, 'INVALID_API_KEY_DESC', 'desc'],
  [{ desc: 'x', roles: [] }, 'MISSING_API_KEY_ROLES', undefined],
  [{ roles: ['ORG_MEMBER'] }, 'MISSING_ATTRIBUTE', 'desc'],
])('a key is not made from %j: %s', async (body, errorCode, field) => {
  const answer = await server.api.call('POST', keys, { body });
  expect(answer.json).toMatchObject({
    error: 400,
    errorCode,
    ...(field === undefined ? {} : { badRequestDetail: { fields: [{ field }] } }),
  });
});

describe('roles', () => {
  const org = () => `/api/atlas/v1.0/orgs/${server.orgId}`;
  const group = () => `/api/atlas/v1.0/groups/${groupId}`;
  const own = () => `/api/linkspan/v1/groups/${groupId}`;

  async function statuses(client: Api): Promise<number[]> {
    const answers = [
      await client.call('GET', org()),
      await client.call('GET', group()),
      await client.call('GET', `${own()}/clusters`),
      await client.call('POST', `${own()}/clusters`, { body: {} }),
      await client.call('POST', `${group()}/liveMigrations`, { body: {} }),
      await client.call('POST', `${org()}/liveMigrations/linkTokens`, { body: { a: 1 } }),
    ];
    return answers.map((answer) => answer.status);
  }

  test.each([
    ['ORG_MEMBER', [200, 401, 401, 401, 401, 401]],
    ['ORG_READ_ONLY', [200, 200, 200, 401, 401, 401]],
    ['ORG_OWNER', [200, 200, 200, 400, 400, 400]],
  ])('of an organization: %s', async (role, expected) => {
    const made = await server.api.call('POST', keys, { body: { desc: role, roles: [role] } });
    expect(await statuses(clientOf(made))).toEqual(expected);
    await server.api.call('DELETE', `${keys}/${textOf(made, 'id')}`);
  });

  test.each([
    ['GROUP_READ_ONLY', [200, 200, 200, 401, 401, 401]],
    ['GROUP_OWNER', [200, 200, 200, 400, 401, 401]],
  ])('of a project: %s', async (role, expected) => {
    const made = await server.api.call('POST', `${group()}/apiKeys`, {
      body: { desc: role, roles: [role] },
    });
    expect(made.json['roles']).toEqual([
      { orgId: server.orgId, roleName: 'ORG_MEMBER' },
      { groupId, roleName: role },
    ]);
    const client = clientOf(made);
    expect(await statuses(client)).toEqual(expected);
    const id = textOf(made, 'id');
    expect((await server.api.call('GET', `${group()}/apiKeys`)).text).toContain(id);
    const taken = await server.api.call('DELETE', `${group()}/apiKeys/${id}`);
    expect(taken.status).toBe(204);
    expect((await client.call('GET', group())).headers['x-error-code']).toBe(
      'USER_CANNOT_ACCESS_GROUP',
    );
    const given = await server.api.call('PATCH', `${group()}/apiKeys/${id}`, {
      body: { roles: ['GROUP_READ_ONLY'] },
    });
    expect(given.status).toBe(200);
    expect((await client.call('GET', group())).status).toBe(200);
  });

  test('whoever manages access to a project cannot make itself its owner, nor take it from one', async () => {
    const inProject = (roles: string[]) =>
      server.api.call('POST', `${group()}/apiKeys`, { body: { desc: 'k', roles } });
    const manager = await inProject(['GROUP_ACCESS_MANAGER']);
    const [owner, reader] = [
      await inProject(['GROUP_OWNER']),
      await inProject(['GROUP_READ_ONLY']),
    ];
    const client = clientOf(manager);
    const one = (key: Response) => `${group()}/apiKeys/${textOf(key, 'id')}`;
    const ownership = { roles: ['GROUP_READ_ONLY', 'GROUP_OWNER'] };
    for (const refused of [
      await client.call('PATCH', one(manager), { body: ownership }),
      await client.call('PATCH', one(reader), { body: ownership }),
      await client.call('POST', `${group()}/apiKeys`, { body: { desc: 'k', ...ownership } }),
      await client.call('PATCH', one(owner), { body: { roles: ['GROUP_READ_ONLY'] } }),
      await client.call('DELETE', one(owner)),
    ]) {
      expect(refused.json).toMatchObject({ error: 401, errorCode: 'USER_UNAUTHORIZED' });
    }
    const others = { desc: 'k', roles: ['GROUP_ACCESS_MANAGER', 'GROUP_READ_ONLY'] };
    const allowed = [
      await client.call('POST', `${group()}/apiKeys`, { body: others }),
      await client.call('PATCH', one(reader), { body: others }),
      await client.call('PATCH', one(owner), { body: { desc: 'an owner' } }),
      await client.call('DELETE', one(reader)),
      await clientOf(owner).call('PATCH', one(manager), { body: ownership }),
    ];
    expect(allowed.map(({ status }) => status)).toEqual([200, 200, 200, 204, 200]);
  });

  test('C9: a key that has no role in a project is changed or taken out only where it has one', async () => {
    const elsewhere = await server.api.call('POST', '/api/atlas/v1.0/groups', {
      body: { name: 'Elsewhere', orgId: server.orgId },
    });
    const there = `/api/atlas/v1.0/groups/${textOf(elsewhere, 'id')}/apiKeys`;
    const key = await server.api.call('POST', there, {
      body: { desc: 'k', roles: ['GROUP_OWNER'] },
    });
    const id = textOf(key, 'id');
    const here = `${group()}/apiKeys/${id}`;
    for (const refused of [
      await server.api.call('PATCH', here, { body: { desc: 'mine' } }),
      await server.api.call('DELETE', here),
    ]) {
      expect(refused.json).toMatchObject({ errorCode: 'API_KEY_NOT_FOUND', parameters: [id] });
    }
    const both = await server.api.call('PATCH', here, {
      body: { desc: 'mine', roles: ['GROUP_READ_ONLY'] },
    });
    expect(both.json).toMatchObject({ errorCode: 'INVALID_ATTRIBUTE', parameters: ['desc'] });
    expect((await server.api.call('GET', `${keys}/${id}`)).json['desc']).toBe('k');
    const given = await server.api.call('PATCH', here, { body: { roles: ['GROUP_READ_ONLY'] } });
    // Of its other projects the answer says nothing.
    expect(given.json['roles']).toEqual([
      { orgId: server.orgId, roleName: 'ORG_MEMBER' },
      { groupId, roleName: 'GROUP_READ_ONLY' },
    ]);
  });

  test('a role too low is told as 401 with the recorded text', async () => {
    const made = await server.api.call('POST', keys, {
      body: { desc: 'low', roles: ['ORG_READ_ONLY'] },
    });
    const answer = await clientOf(made).call('POST', keys, { body: {} });
    expect(answer.json).toEqual({
      detail: 'Current user is not authorized to perform this action.',
      error: 401,
      errorCode: 'USER_UNAUTHORIZED',
      parameters: [],
      reason: 'Unauthorized',
    });
    expect(answer.headers).not.toHaveProperty('www-authenticate');
  });
});
