import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiClient, type Json, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const HOUR_MS = 3_600_000;

let server: TestServer;
let accounts: string;
beforeAll(async () => {
  server = await startTestServer();
  accounts = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts`;
});
afterAll(() => server[Symbol.asyncDispose]());

function body(change: Json = {}) {
  return {
    name: 'Deployer',
    description: 'Deploys, at night',
    roles: ['ORG_MEMBER'],
    secretExpiresAfterHours: 8,
    ...change,
  };
}

async function make(change: Json = {}) {
  const made = await server.api.call('POST', accounts, { body: body(change) });
  expect(made.status).toBe(201);
  const [secret] = made.json['secrets'] as { id: string; secret: string }[];
  if (secret === undefined) throw new Error('an account came without a secret');
  return { made, clientId: textOf(made, 'clientId'), secret };
}

test('an account is made, shown with its secret masked, changed and removed', async () => {
  const { made, clientId, secret } = await make();
  expect(clientId).toMatch(/^mdb_sa_id_[0-9a-f]{24}$/);
  expect(secret.secret).toMatch(/^mdb_sa_sk_[\w-]{40}$/);
  expect(made.json).toEqual({
    clientId,
    createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    description: 'Deploys, at night',
    name: 'Deployer',
    roles: ['ORG_MEMBER'],
    secrets: [
      {
        createdAt: expect.any(String),
        expiresAt: expect.any(String),
        id: expect.stringMatching(/^[0-9a-f]{24}$/),
        secret: secret.secret,
      },
    ],
  });
  const shown = await server.api.call('GET', `${accounts}/${clientId}`);
  const maskedSecretValue = `mdb_sa_sk_${'*'.repeat(36)}${secret.secret.slice(-4)}`;
  const { secret: _, ...rest } = secret;
  expect(shown.json).toEqual({ ...made.json, secrets: [{ ...rest, maskedSecretValue }] });
  const listed = await server.api.call('GET', `${accounts}?includeSystemManaged=true`);
  expect(listed.json).toMatchObject({ totalCount: 1, results: [shown.json] });

  const changed = await server.api.call('PATCH', `${accounts}/${clientId}`, {
    body: { name: 'Reader', roles: ['ORG_READ_ONLY', 'ORG_GROUP_CREATOR'] },
  });
  expect(changed.json).toEqual({
    ...shown.json,
    name: 'Reader',
    roles: ['ORG_GROUP_CREATOR', 'ORG_READ_ONLY'],
  });
  expect((await server.api.call('DELETE', `${accounts}/${clientId}`)).status).toBe(204);
  const gone = await server.api.call('GET', `${accounts}/${clientId}`);
  expect(gone.json).toMatchObject({
    error: 404,
    errorCode: 'SERVICE_ACCOUNT_NOT_FOUND',
    parameters: [clientId],
  });
});

test('v1.0 has no service accounts', async () => {
  const answer = await server.api.call('GET', accounts.replace('v2', 'v1.0'));
  expect(answer.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
});

test('what is wrong with an account is named', async () => {
  for (const [change, errorCode, field] of [
    [{ name: 'a<b' }, 'INVALID_ATTRIBUTE', 'name'],
    [{ name: undefined }, 'MISSING_ATTRIBUTE', 'name'],
    [{ roles: [] }, 'INVALID_ATTRIBUTE', 'roles'],
    [{ roles: ['KING'] }, 'INVALID_ENUM_VALUE', 'roles.0'],
    [{ secretExpiresAfterHours: '8' }, 'INVALID_JSON_ATTRIBUTE', 'secretExpiresAfterHours'],
    [{ secretExpiresAfterHours: 7 }, 'INVALID_ATTRIBUTE', 'secretExpiresAfterHours'],
    [{ secretExpiresAfterHours: 8761 }, 'INVALID_ATTRIBUTE', 'secretExpiresAfterHours'],
    [{ secrets: [] }, 'INVALID_ATTRIBUTE', 'secrets'],
  ] as const) {
    const answer = await server.api.call('POST', accounts, { body: body(change) });
    expect(answer.json).toMatchObject({
      error: 400,
      errorCode,
      badRequestDetail: { fields: [{ field }] },
    });
  }
});

test("a secret's life is bounded by the organization's setting", async () => {
  await server.store.db
    .updateTable('organizations')
    .set({ settings: JSON.stringify({ maxServiceAccountSecretValidityInHours: 48 }) })
    .where('id', '=', server.orgId)
    .execute();
  const long = await server.api.call('POST', accounts, {
    body: body({ secretExpiresAfterHours: 49 }),
  });
  expect(long.json).toMatchObject({
    errorCode: 'INVALID_ATTRIBUTE',
    badRequestDetail: { fields: [{ description: 'must be 8 to 48 hours in this organization' }] },
  });
  const { secret } = await make({ secretExpiresAfterHours: 48 });
  const { createdAt, expiresAt } = secret as unknown as { createdAt: string; expiresAt: string };
  expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(48 * HOUR_MS);
});

test('an account has two secrets at most', async () => {
  const { clientId, secret } = await make();
  const path = `${accounts}/${clientId}/secrets`;
  const hours = { body: { secretExpiresAfterHours: 8 } };
  const second = await server.api.call('POST', path, hours);
  expect(second.status).toBe(201);
  expect(textOf(second, 'secret')).not.toBe(secret.secret);
  const third = await server.api.call('POST', path, hours);
  expect(third.json).toMatchObject({
    error: 400,
    errorCode: 'MAX_SERVICE_ACCOUNT_SECRETS_REACHED',
  });
  expect((await server.api.call('DELETE', `${path}/${secret.id}`)).status).toBe(204);
  const again = await server.api.call('DELETE', `${path}/${secret.id}`);
  expect(again.json).toMatchObject({ error: 404, errorCode: 'SERVICE_ACCOUNT_SECRET_NOT_FOUND' });
  expect((await server.api.call('POST', path, hours)).status).toBe(201);
});

test('an access list is added to, listed and taken from', async () => {
  const { clientId } = await make();
  const path = `${accounts}/${clientId}/accessList`;
  const entries = [
    { cidrBlock: '192.0.2.0/24', ipAddress: '' },
    { ipAddress: '2001:db8::1', cidrBlock: null },
  ];
  const added = await server.api.call('POST', path, { body: entries });
  expect(added.status).toBe(200);
  const results = [
    { cidrBlock: '192.0.2.0/24', createdAt: expect.any(String), requestCount: 0 },
    {
      cidrBlock: expect.stringMatching(/^2001:db8:.*:1\/128$/),
      createdAt: expect.any(String),
      ipAddress: expect.stringMatching(/^2001:db8:.*:1$/),
      requestCount: 0,
    },
  ];
  expect(added.json).toMatchObject({ totalCount: 2, results: expect.arrayContaining(results) });
  await server.api.call('POST', path, { body: entries });
  expect((await server.api.call('GET', path)).json).toMatchObject({ totalCount: 2 });
  expect((await server.api.call('DELETE', `${path}/192.0.2.0%2F24`)).status).toBe(204);
  const gone = await server.api.call('DELETE', `${path}/192.0.2.0%2F24`);
  expect(gone.json).toMatchObject({
    error: 404,
    errorCode: 'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_NOT_FOUND',
  });
  const both = [{ cidrBlock: '192.0.2.0/24', ipAddress: '192.0.2.1' }];
  expect((await server.api.call('POST', path, { body: both })).json).toMatchObject({
    errorCode: 'BAD_WHITELIST_ADD_REQUEST',
  });
  const none = await server.api.call('POST', path, { body: [{ ipAddress: 'nowhere' }] });
  expect(none.json).toMatchObject({ errorCode: 'INVALID_IP_ADDRESS_OR_CIDR_NOTATION' });
});

test('C9: an account is found in its own organization alone', async () => {
  const { clientId, secret } = await make();
  const other = await server.api.call('POST', '/api/atlas/v2/orgs', {
    body: { name: 'Other', apiKey: { desc: 'key', roles: ['ORG_OWNER'] } },
  });
  const { apiKey, organization } = other.json as {
    apiKey: { publicKey: string; privateKey: string };
    organization: { id: string };
  };
  const stranger = apiClient(server.url, apiKey);
  const path = `/api/atlas/v2/orgs/${organization.id}/serviceAccounts/${clientId}`;
  for (const [method, below, sent] of [
    ['GET', '', undefined],
    ['PATCH', '', { name: 'Mine' }],
    ['DELETE', '', undefined],
    ['GET', '/groups', undefined],
    ['GET', '/accessList', undefined],
    ['POST', '/accessList', [{ ipAddress: '192.0.2.1' }]],
    ['DELETE', '/accessList/192.0.2.1', undefined],
    ['POST', '/secrets', { secretExpiresAfterHours: 8 }],
    ['DELETE', `/secrets/${secret.id}`, undefined],
  ] as const) {
    const answer = await stranger.call(method, path + below, sent ? { body: sent } : {});
    expect(`${method} ${below} ${String(answer.headers['x-error-code'])}`).toBe(
      `${method} ${below} SERVICE_ACCOUNT_NOT_FOUND`,
    );
  }
});

test('every change is an event, without the secret', async () => {
  const { clientId, secret } = await make();
  const path = `${accounts}/${clientId}`;
  await server.api.call('PATCH', path, { body: { description: 'Changed' } });
  await server.api.call('POST', `${path}/secrets`, { body: { secretExpiresAfterHours: 8 } });
  await server.api.call('DELETE', `${path}/secrets/${secret.id}`);
  await server.api.call('POST', `${path}/accessList`, { body: [{ ipAddress: '192.0.2.1' }] });
  await server.api.call('DELETE', `${path}/accessList/192.0.2.1`);
  await server.api.call('DELETE', path);
  const events = await server.store.db
    .selectFrom('events')
    .selectAll()
    .where('target_id', '=', clientId)
    .orderBy('sequence')
    .execute();
  expect(events.map((event) => event.event_type)).toEqual([
    'SERVICE_ACCOUNT_CREATED',
    'SERVICE_ACCOUNT_UPDATED',
    'SERVICE_ACCOUNT_SECRET_ADDED',
    'SERVICE_ACCOUNT_SECRET_DELETED',
    'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED',
    'SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED',
    'SERVICE_ACCOUNT_DELETED',
  ]);
  for (const event of events) expect(event.public_key).toBe(server.owner.publicKey);
  expect(JSON.stringify(events)).not.toContain('mdb_sa_sk_');
});
