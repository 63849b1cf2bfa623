import { afterEach, beforeEach, expect, test } from 'vitest';
import { apiClient, type Credentials, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let path: string;
beforeEach(async () => {
  server = await startTestServer();
  path = `/api/atlas/v2/orgs/${server.orgId}/settings`;
});
afterEach(() => server[Symbol.asyncDispose]());

const DEFAULTS = {
  apiAccessListRequired: false,
  genAIFeaturesEnabled: true,
  maxServiceAccountSecretValidityInHours: 8760,
  multiFactorAuthRequired: false,
  operationsContact: null,
  restrictEmployeeAccess: false,
  streamsCrossGroupEnabled: false,
};

test('settings have defaults; what is given changes, and nothing else', async () => {
  expect((await server.api.call('GET', path)).json).toEqual(DEFAULTS);
  const first = await server.api.call('PATCH', path, {
    body: {
      customSessionTimeouts: { idleSessionTimeoutInSeconds: 600 },
      maxServiceAccountSecretValidityInHours: 24,
      securityContact: 'security@example.com',
    },
  });
  expect(first.status).toBe(200);
  await server.api.call('PATCH', path, {
    body: {
      customSessionTimeouts: { absoluteSessionTimeoutInSeconds: 7200 },
      genAIFeaturesEnabled: false,
      operationsContact: 'operations@example.com',
    },
  });
  const changed = {
    ...DEFAULTS,
    customSessionTimeouts: {
      absoluteSessionTimeoutInSeconds: 7200,
      idleSessionTimeoutInSeconds: 600,
    },
    genAIFeaturesEnabled: false,
    maxServiceAccountSecretValidityInHours: 24,
    operationsContact: 'operations@example.com',
    securityContact: 'security@example.com',
  };
  expect((await server.api.call('GET', path)).json).toEqual(changed);
  const back = await server.api.call('PATCH', path, { body: { operationsContact: null } });
  expect(back.json).toEqual({ ...changed, operationsContact: null });
});

test.each([
  [{ maxServiceAccountSecretValidityInHours: 7 }, 'INVALID_ATTRIBUTE'],
  [{ maxServiceAccountSecretValidityInHours: 8761 }, 'INVALID_ATTRIBUTE'],
  [{ apiAccessListRequired: 'yes' }, 'INVALID_JSON_ATTRIBUTE'],
  [{ securityContact: null }, 'INVALID_JSON_ATTRIBUTE'],
  [{ customSessionTimeouts: { other: 1 } }, 'INVALID_ATTRIBUTE'],
  [{ other: true }, 'INVALID_ATTRIBUTE'],
])('%j is refused', async (body, errorCode) => {
  const answer = await server.api.call('PATCH', path, { body });
  expect(answer.json).toMatchObject({ error: 400, errorCode });
});

test('an organization that demands access lists refuses whoever has none, and audits it', async () => {
  const keys = `/api/atlas/v2/orgs/${server.orgId}/apiKeys`;
  const made = await server.api.call('POST', keys, { body: { desc: 'ci', roles: ['ORG_OWNER'] } });
  const listed = apiClient(server.url, made.json as unknown as Credentials);
  const entry = { body: [{ cidrBlock: '127.0.0.0/8' }] };
  await server.api.call('POST', `${keys}/${textOf(made, 'id')}/accessList`, entry);
  await server.api.call('PATCH', path, { body: { apiAccessListRequired: true } });
  const refused = await server.api.call('GET', path);
  expect(refused.status).toBe(403);
  expect(refused.json).toEqual({
    detail: 'This organization requires access through an access list of ip ranges.',
    error: 403,
    errorCode: 'ORG_REQUIRES_ACCESS_LIST',
    parameters: ['127.0.0.1'],
    reason: 'Forbidden',
  });
  expect((await listed.call('GET', path)).status).toBe(200);
  const failures = `/api/atlas/v2/orgs/${server.orgId}/events?eventType=API_KEY_SIGN_IN_FAILED&includeRaw=true`;
  // Nobody waits for the writing of these events.
  await expect
    .poll(async () => (await listed.call('GET', failures)).json['results'])
    .toMatchObject([
      {
        raw: { detail: { count: 1, failure: 'NO_ACCESS_LIST' } },
        remoteAddress: '127.0.0.1',
        targetPublicKey: server.owner.publicKey,
      },
    ]);
  await listed.call('PATCH', path, { body: { apiAccessListRequired: false } });
  expect((await server.api.call('GET', path)).status).toBe(200);
});
