import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import { decodeJwt, decodeProtectedHeader, generateKeyPair, SignJWT } from 'jose';
import { type Response, send, textOf } from '../support/api.ts';
import {
  askToken,
  basic,
  bearerClient,
  type Client,
  makeClient,
  newToken,
  sendForm,
  toClient,
} from '../support/oauth.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const GRANT = { grant_type: 'client_credentials' };

let server: TestServer;
let client: Client;
let tokenUrl: string;
let revokeUrl: string;
beforeAll(async () => {
  server = await startTestServer({ rateLimits: 'false' });
  client = await makeClient(server);
  tokenUrl = `${server.url}/api/oauth/token`;
  revokeUrl = `${server.url}/api/oauth/revoke`;
});
afterAll(() => server[Symbol.asyncDispose]());

function expectInvalidClient(answer: Response): void {
  expect(answer.status).toBe(401);
  expect(answer.headers['www-authenticate']).toMatch(/^Basic realm=/);
  expect(answer.json).toEqual({
    error: 'invalid_client',
    error_description: 'Invalid credentials provided.',
  });
}

async function statusOf(token: string): Promise<number> {
  const path = `/api/atlas/v1.0/orgs/${server.orgId}`;
  return (await bearerClient(server.url, token).call('GET', path)).status;
}

test('a token is an ES256 JWT of an hour, and opens v1.0, v2 and Linkspan alike', async () => {
  const answer = await askToken(server.url, client);
  expect(answer.status).toBe(200);
  expect(answer.headers['cache-control']).toBe('no-store');
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  const token = textOf(answer, 'access_token');
  expect(answer.json).toEqual({ access_token: token, expires_in: 3600, token_type: 'Bearer' });
  expect(decodeProtectedHeader(token)).toEqual({
    alg: 'ES256',
    kid: expect.any(String),
    typ: 'at+jwt',
  });
  const claims = decodeJwt(token);
  expect(claims).toMatchObject({ iss: server.url, sub: client.clientId, jti: expect.any(String) });
  expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(3600);
  const api = bearerClient(server.url, token);
  for (const path of [
    `/api/atlas/v1.0/orgs/${server.orgId}`,
    `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts/${client.clientId}`,
    `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link`,
  ]) {
    expect(`${path} ${(await api.call('GET', path)).status}`).toBe(`${path} 200`);
  }
  const removal = `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/linkTokens`;
  expect((await api.call('DELETE', removal)).json).toMatchObject({
    error: 404,
    errorCode: 'UNEXPECTED_ERROR',
    detail: 'Could not find the requested external organization link.',
  });
});

test('a client may show its id and secret in the form instead', async () => {
  const form = { ...GRANT, client_id: client.clientId, client_secret: client.secret };
  expect((await sendForm(tokenUrl, form)).status).toBe(200);
  const both = await sendForm(tokenUrl, form, { authorization: basic(client) });
  expect(both.json).toMatchObject({ error: 'invalid_request' });
  const same = { ...GRANT, client_id: client.clientId };
  expect((await sendForm(tokenUrl, same, { authorization: basic(client) })).status).toBe(200);
});

test('no, unknown, wrong and foreign credentials are answered alike', async () => {
  const stranger = await makeClient(server);
  for (const headers of [
    {},
    { authorization: 'Basic' },
    { authorization: 'Basic !!' },
    { authorization: `Basic ${Buffer.from('nothing').toString('base64')}` },
    { authorization: `Basic ${Buffer.from('%zz:%zz').toString('base64')}` },
    { authorization: 'Digest username="x"' },
    { authorization: basic({ ...client, secret: `mdb_sa_sk_${'x'.repeat(40)}` }) },
    { authorization: basic({ ...client, secret: stranger.secret }) },
    { authorization: basic({ ...client, clientId: `mdb_sa_id_${'f'.repeat(24)}` }) },
    { authorization: basic({ clientId: server.owner.publicKey, secret: server.owner.privateKey }) },
  ]) {
    expectInvalidClient(await sendForm(tokenUrl, GRANT, headers));
  }
  expectInvalidClient(await sendForm(tokenUrl, { ...GRANT, client_id: client.clientId }));
});

test('what is wrong with a request is told as RFC 6749 has it', async () => {
  const authorization = basic(client);
  for (const [form, error] of [
    [{}, 'invalid_request'],
    [{ grant_type: '' }, 'invalid_request'],
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: 'authorization_code', code: 'x' }, 'unsupported_grant_type'],
  ] as const) {
    const answer = await sendForm(tokenUrl, form, { authorization });
    expect(answer.status).toBe(400);
    expect(answer.json).toEqual({ error, error_description: expect.any(String) });
    expect(answer.headers['cache-control']).toBe('no-store');
  }
  const twice = await send(tokenUrl, 'POST', {
    body: 'grant_type=client_credentials&grant_type=client_credentials',
    headers: { 'content-type': 'application/x-www-form-urlencoded', authorization },
  });
  expect(twice.json).toMatchObject({ error: 'invalid_request' });
  const json = await send(tokenUrl, 'POST', { body: GRANT, headers: { authorization } });
  expect(json.status).toBe(400);
  expect(json.json).toMatchObject({ error: 'invalid_request' });
  const inQuery = `${tokenUrl}?grant_type=client_credentials`;
  expect((await sendForm(inQuery, {}, { authorization })).status).toBe(400);
  const empty = await send(tokenUrl, 'POST', { headers: { authorization } });
  expect(empty.json).toMatchObject({ error: 'invalid_request' });
  const large = await sendForm(tokenUrl, { ...GRANT, x: 'x'.repeat(20_000) }, { authorization });
  expect(large.status).toBe(413);
  expect(large.json).toMatchObject({ error: 'invalid_request' });
  const broken = await sendForm(revokeUrl, {}, { authorization });
  expect(broken.json).toMatchObject({ error: 'invalid_request' });
});

test('other methods and paths are refused', async () => {
  for (const url of [tokenUrl, revokeUrl]) {
    for (const method of ['GET', 'HEAD', 'PUT', 'DELETE']) {
      const answer = await send(url, method);
      expect(`${method} ${answer.status}`).toBe(`${method} 405`);
      expect(answer.headers['allow']).toBe('OPTIONS, POST');
    }
    const options = await send(url, 'OPTIONS');
    expect(options.status).toBe(204);
    expect(options.headers['allow']).toBe('OPTIONS, POST');
  }
  const unknown = await send(`${server.url}/api/oauth/authorize`, 'GET');
  expect(unknown.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
});

test('an account has a hundred live tokens at most', async () => {
  const busy = await makeClient(server);
  for (let index = 0; index < 100; index += 1) {
    expect((await askToken(server.url, busy)).status).toBe(200);
  }
  const refused = await askToken(server.url, busy);
  expect(refused.status).toBe(403);
  expect(refused.json).toEqual({
    error: 'access_denied',
    error_description:
      'Access Token limit reached. Please use the existing Access Tokens or create a new Service Account.',
  });
  expect((await askToken(server.url, client)).status).toBe(200);
});

test('C6: a token that was revoked is refused at once; revoking what is none is fine', async () => {
  const token = await newToken(server.url, client);
  const other = await newToken(server.url, client);
  expect(await statusOf(token)).toBe(200);
  const authorization = basic(client);
  for (const text of [token, token, 'nothing', `${token}x`]) {
    const form = { token: text, token_type_hint: 'access_token' };
    const answer = await sendForm(revokeUrl, form, { authorization });
    expect(answer.status).toBe(200);
    expect(answer.text).toBe('');
  }
  expect(await statusOf(token)).toBe(401);
  expect(await statusOf(other)).toBe(200);
  expectInvalidClient(await sendForm(revokeUrl, { token: other }));
  const events = await server.store.db
    .selectFrom('events')
    .selectAll()
    .where('event_type', '=', 'SERVICE_ACCOUNT_ACCESS_TOKEN_REVOKED')
    .execute();
  expect(events).toMatchObject([{ client_id: client.clientId, remote_address: '127.0.0.1' }]);
});

test('C9: a token of another account is not revoked, and the caller is told', async () => {
  const stranger = await makeClient(server);
  const token = await newToken(server.url, client);
  const answer = await sendForm(revokeUrl, { token }, { authorization: basic(stranger) });
  expect(answer.status).toBe(400);
  expect(answer.json).toMatchObject({ error: 'invalid_grant' });
  expect(await statusOf(token)).toBe(200);
});

test('C6: removing a secret or an account ends its tokens at once', async () => {
  const own = await makeClient(server, ['ORG_MEMBER']);
  const path = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts/${own.clientId}`;
  const added = await server.api.call('POST', `${path}/secrets`, {
    body: { secretExpiresAfterHours: 8 },
  });
  const second = { ...own, secret: textOf(added, 'secret') };
  const first = await newToken(server.url, own);
  const kept = await newToken(server.url, second);
  expect((await server.api.call('DELETE', `${path}/secrets/${own.secretId}`)).status).toBe(204);
  expect(await statusOf(first)).toBe(401);
  expect(await statusOf(kept)).toBe(200);
  expectInvalidClient(await askToken(server.url, own));
  expect((await server.api.call('DELETE', path)).status).toBe(204);
  expect(await statusOf(kept)).toBe(401);
  expectInvalidClient(await askToken(server.url, second));
});

test('C6: a token ends when the store has it no more, whatever its signature says', async () => {
  const token = await newToken(server.url, client);
  await server.store.db
    .updateTable('access_tokens')
    .set({ expires_at: '2000-01-01T00:00:00.000Z' })
    .where('id', '=', decodeJwt(token).jti ?? '')
    .execute();
  expect(await statusOf(token)).toBe(401);
});

test('C6: what this server did not sign, or signed as something else, is refused', async () => {
  const token = await newToken(server.url, client);
  const [header = '', payload = '', signature = ''] = token.split('.');
  const { kid } = decodeProtectedHeader(token);
  const { privateKey } = await generateKeyPair('ES256');
  const sign = (claims: object, protectedHeader: object = {}) =>
    new SignJWT({ ...decodeJwt(token), ...claims })
      .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: kid ?? '', ...protectedHeader })
      .sign(privateKey);
  const unsigned = Buffer.from(JSON.stringify({ alg: 'none', typ: 'at+jwt', kid }));
  for (const forged of [
    '',
    'x',
    `${header}.${payload}.`,
    `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
    `${unsigned.toString('base64url')}.${payload}.`,
    await sign({}),
    await sign({}, { kid: 'f'.repeat(24) }),
    await sign({}, { kid: '' }),
    await new SignJWT(decodeJwt(token))
      .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', kid: kid ?? '' })
      .sign(Buffer.alloc(32)),
  ]) {
    const path = `/api/atlas/v1.0/orgs/${server.orgId}`;
    const answer = await bearerClient(server.url, forged).call('GET', path);
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    expect(answer.text).toBe(UNAUTHORIZED_BODY);
  }
});

test('an expired secret is refused, and its failed sign-in is an event', async () => {
  const old = await makeClient(server);
  await server.store.db
    .updateTable('service_account_secrets')
    .set({ expires_at: '2000-01-01T00:00:00.000Z' })
    .where('id', '=', old.secretId)
    .execute();
  expectInvalidClient(await askToken(server.url, old));
  await expect
    .poll(() =>
      server.store.db
        .selectFrom('events')
        .selectAll()
        .where('event_type', '=', 'SERVICE_ACCOUNT_SIGN_IN_FAILED')
        .where('target_id', '=', old.clientId)
        .execute(),
    )
    .toMatchObject([{ detail: expect.stringContaining('EXPIRED') }]);
});

test('a secret shows when it was last used', async () => {
  const used = await makeClient(server);
  const path = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts/${used.clientId}`;
  const before = await server.api.call('GET', path);
  expect(before.json['secrets']).toEqual([
    expect.not.objectContaining({ lastUsedAt: expect.anything() }),
  ]);
  await newToken(server.url, used);
  const after = await server.api.call('GET', path);
  expect(after.json['secrets']).toMatchObject([{ lastUsedAt: expect.any(String) }]);
});

test('an access list bounds calls with a token, not the asking for one', async () => {
  const bound = await makeClient(server);
  const path = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts/${bound.clientId}/accessList`;
  await server.api.call('POST', path, { body: [{ ipAddress: '192.0.2.1' }] });
  const token = await newToken(server.url, bound);
  const api = bearerClient(server.url, token);
  const refused = await api.call('GET', `/api/atlas/v1.0/orgs/${server.orgId}`);
  expect(refused.json).toMatchObject({ error: 403, errorCode: 'IP_ADDRESS_NOT_ON_ACCESS_LIST' });
  await server.api.call('POST', path, { body: [{ cidrBlock: '127.0.0.0/8' }] });
  expect((await api.call('GET', `/api/atlas/v1.0/orgs/${server.orgId}`)).status).toBe(200);
});

test("an account's roles count, and a project that it makes is one of its own", async () => {
  const maker = await makeClient(server, ['ORG_GROUP_CREATOR']);
  const api = bearerClient(server.url, await newToken(server.url, maker));
  const accounts = `/api/atlas/v2/orgs/${server.orgId}/serviceAccounts`;
  expect((await api.call('GET', accounts)).json).toMatchObject({ errorCode: 'USER_UNAUTHORIZED' });
  const made = await api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'Made by an account', orgId: server.orgId },
  });
  expect(made.status).toBe(201);
  const groups = await server.api.call('GET', `${accounts}/${maker.clientId}/groups`);
  expect(groups.json).toMatchObject({
    totalCount: 1,
    results: [{ groupId: textOf(made, 'id'), roles: ['GROUP_OWNER'] }],
  });
  const events = await server.store.db
    .selectFrom('events')
    .selectAll()
    .where('event_type', '=', 'GROUP_CREATED')
    .execute();
  expect(events).toMatchObject([{ client_id: maker.clientId, api_key_id: null }]);
});

test('an organization may come with an account alone, which can remove it', async () => {
  const serviceAccount = {
    name: 'First',
    description: 'Of its organization',
    roles: ['ORG_OWNER'],
    secretExpiresAfterHours: 8,
  };
  const made = await server.api.call('POST', '/api/atlas/v2/orgs', {
    body: { name: 'Keyless', serviceAccount },
  });
  expect(made.status).toBe(201);
  expect(made.json).not.toHaveProperty('apiKey');
  const { organization, serviceAccount: account } = made.json as {
    organization: { id: string };
    serviceAccount: Record<string, unknown>;
  };
  const owner = toClient(account);
  const token = await newToken(server.url, owner);
  const api = bearerClient(server.url, token);
  const path = `/api/atlas/v2/orgs/${organization.id}`;
  const last = await api.call('DELETE', `${path}/serviceAccounts/${owner.clientId}`);
  expect(last.json).toMatchObject({ error: 409, errorCode: 'CANNOT_REMOVE_LAST_ORG_OWNER' });
  const lower = await api.call('PATCH', `${path}/serviceAccounts/${owner.clientId}`, {
    body: { roles: ['ORG_MEMBER'] },
  });
  expect(lower.json).toMatchObject({ errorCode: 'CANNOT_REMOVE_LAST_ORG_OWNER' });
  const secret = await api.call(
    'DELETE',
    `${path}/serviceAccounts/${owner.clientId}/secrets/${owner.secretId}`,
  );
  expect(secret.json).toMatchObject({ errorCode: 'CANNOT_REMOVE_LAST_ORG_OWNER' });
  // With an API key that owns the organization too, the account may go.
  const key = await api.call('POST', `${path}/apiKeys`, {
    body: { desc: 'owner', roles: ['ORG_OWNER'] },
  });
  expect(key.status).toBe(200);
  expect(
    (
      await api.call('PATCH', `${path}/serviceAccounts/${owner.clientId}`, {
        body: { roles: ['ORG_OWNER', 'ORG_MEMBER'] },
      })
    ).status,
  ).toBe(200);
  expect((await api.call('DELETE', path)).status).toBe(204);
  expect((await api.call('GET', path)).status).toBe(401);
  const neither = await server.api.call('POST', '/api/atlas/v2/orgs', { body: { name: 'None' } });
  expect(neither.json).toMatchObject({ errorCode: 'MISSING_ONE_OF_ATTRIBUTES' });
});

test('C6: a store that fails is a 503, never a 401', async () => {
  await using own = await startTestServer();
  const token = await newToken(own.url, await makeClient(own));
  await own.store.close();
  const answer = await bearerClient(own.url, token).call(
    'GET',
    `/api/atlas/v1.0/orgs/${own.orgId}`,
  );
  expect(answer.status).toBe(503);
  expect(answer.headers).toHaveProperty('retry-after');
});

test('tokens are asked for ten times a minute by an address and client, as recorded', async () => {
  await using own = await startTestServer();
  const [one, other] = [await makeClient(own), await makeClient(own)];
  for (let index = 0; index < 10; index += 1) {
    expect((await askToken(own.url, one)).status).toBe(200);
  }
  const limited = await askToken(own.url, one);
  expect(limited.status).toBe(429);
  expect(Number(limited.headers['retry-after'])).toBeGreaterThan(0);
  expect(limited.json).toEqual({
    error: 'rate_limited',
    error_description: 'Resource /api/oauth/token is limited to 10 requests every 1 minutes.',
  });
  expect((await askToken(own.url, other)).status).toBe(200);
});
