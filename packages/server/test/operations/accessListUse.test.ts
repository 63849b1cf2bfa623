import { afterEach, beforeEach, expect, test } from 'vitest';
import { AccessListUse } from '../../src/operations/accessListUse.ts';
import { apiClient, type Credentials, type Json, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const LOG = { info: () => {}, warn: () => {}, error: () => {} };

let server: TestServer;
beforeEach(async () => {
  server = await startTestServer();
});
afterEach(() => server[Symbol.asyncDispose]());

async function makeKey(entries: readonly string[]) {
  const keys = `/api/atlas/v2/orgs/${server.orgId}/apiKeys`;
  const made = await server.api.call('POST', keys, { body: { desc: 'x', roles: ['ORG_OWNER'] } });
  const list = `${keys}/${textOf(made, 'id')}/accessList`;
  await server.api.call('POST', list, { body: entries.map((cidrBlock) => ({ cidrBlock })) });
  const shown = async () => (await server.api.call('GET', list)).json['results'] as Json[];
  return { id: textOf(made, 'id'), made, shown };
}

test('what an entry was used for is counted, and shown once it is written', async () => {
  const { id, shown } = await makeKey(['192.0.2.0/24', '198.51.100.0/24']);
  expect((await shown()).map((entry) => entry['count'])).toEqual([0, 0]);
  let now = Date.parse('2026-08-10T03:00:00Z');
  const use = new AccessListUse(server.store, LOG, () => now);
  const credential = { kind: 'apiKey', apiKeyId: id, publicKey: 'whatever' } as const;
  use.used(credential, '192.0.2.0/24', '192.0.2.1');
  use.used(credential, '192.0.2.0/24', '192.0.2.2');
  await use.flush();
  now += 60_000;
  use.used(credential, '192.0.2.0/24', '192.0.2.3');
  use.used(credential, '203.0.113.0/24', '203.0.113.1');
  await use.close();
  const [used, unused] = await shown();
  expect(used).toMatchObject({
    count: 3,
    lastUsed: '2026-08-10T03:01:00Z',
    lastUsedAddress: '192.0.2.3',
  });
  expect(unused).toMatchObject({ count: 0 });
  expect(unused).not.toHaveProperty('lastUsed');
});

test('the server counts what it lets in, and writes it when it stops', async () => {
  const { made, shown } = await makeKey(['192.0.2.0/24', '127.0.0.0/8']);
  const own = apiClient(server.url, made.json as unknown as Credentials);
  for (let index = 0; index < 3; index += 1) await own.call('GET', '/api/atlas/v2/orgs');
  await server.restart();
  expect(await shown()).toMatchObject([
    { cidrBlock: '127.0.0.0/8', count: 3, lastUsedAddress: '127.0.0.1' },
    { cidrBlock: '192.0.2.0/24', count: 0 },
  ]);
});
