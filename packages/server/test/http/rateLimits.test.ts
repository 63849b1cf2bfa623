import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ATLAS_V2 } from '@linkspan/contract/api/versions.ts';
import { apiClient, type Credentials } from '../support/api.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

interface ContractOperation {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly rateLimit: {
    readonly scope: 'USER' | 'ORGANIZATION' | 'GROUP';
    readonly capacity: number;
    readonly refill: number;
    readonly perSeconds: number;
  };
}

const { operations } = JSON.parse(
  readFileSync(new URL('../../../../conformance/data/atlas.json', import.meta.url), 'utf8'),
) as { operations: readonly ContractOperation[] };

const SCOPES = { USER: 'user', ORGANIZATION: 'org', GROUP: 'group' } as const;

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({ rateLimitPercent: '50' });
});
afterAll(() => server[Symbol.asyncDispose]());

test("C10: each operation's bucket is as large, fills as fast and is shared as the contract says", () => {
  const served = new Map(
    everyEndpoint(server)
      .filter(({ api }) => api === 'atlas')
      .map((endpoint) => [`${endpoint.method} ${ATLAS_V2}${endpoint.path}`, endpoint]),
  );
  for (const { operationId, method, path, rateLimit } of operations) {
    const endpoint = served.get(`${method} ${path}`);
    const { name: _, ...limits } = endpoint?.limits ?? { name: '' };
    expect({ operationId, scope: endpoint?.scope, ...limits }).toEqual({
      operationId,
      ...rateLimit,
      scope: SCOPES[rateLimit.scope],
    });
  }
});

test('the limits can be scaled, and the headers tell the size that counts', async () => {
  const org = await server.api.call('GET', `/api/atlas/v2/orgs/${server.orgId}`);
  expect(org.headers['ratelimit-limit']).toBe('250');
  expect(org.headers['ratelimit-remaining']).toBe('249');
  const settings = `/api/atlas/v2/orgs/${server.orgId}/settings`;
  for (let left = 4; left >= 0; left -= 1) {
    const answer = await server.api.call('GET', settings);
    expect(`${answer.status} ${String(answer.headers['ratelimit-remaining'])}`).toBe(`200 ${left}`);
  }
  const refused = await server.api.call('GET', settings);
  expect(refused.status).toBe(429);
  expect(refused.json['parameters']).toEqual([settings, '20', '5', '3', '60']);
});

test("C10: a bucket without an organization or project is the credential's own", async () => {
  const made = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'another', roles: ['ORG_MEMBER'] },
  });
  const other = apiClient(server.url, made.json as unknown as Credentials);
  await server.api.call('GET', '/api/atlas/v2');
  await server.api.call('GET', '/api/atlas/v2');
  const answer = await other.call('GET', '/api/atlas/v2/');
  expect(answer.headers['ratelimit-remaining']).toBe('149');
});
