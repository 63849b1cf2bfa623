import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import { API_BASES, isServedAt } from '../../src/http/version.ts';
import { type Api, apiClient, type Credentials, send, textOf } from '../support/api.ts';
import { everyEndpoint } from '../support/endpoints.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let stranger: Api;
let groupId: string;
beforeAll(async () => {
  server = await startTestServer();
  const project = await server.api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'Project', orgId: server.orgId },
  });
  groupId = textOf(project, 'id');
  const other = await server.api.call('POST', '/api/atlas/v1.0/orgs', {
    body: { name: 'Other', apiKey: { desc: 'key', roles: ['ORG_OWNER'] } },
  });
  stranger = apiClient(
    server.url,
    other.json['apiKey'] as { publicKey: string; privateKey: string },
  );
});
afterAll(() => server[Symbol.asyncDispose]());

/** Every operation at every base it is served at, with ids that exist. */
function routes() {
  const endpoints = everyEndpoint(server);
  return API_BASES.flatMap((base) =>
    endpoints
      .filter((endpoint) => isServedAt(endpoint, base))
      .map((endpoint) => ({
        endpoint,
        path:
          base.path +
          endpoint.path
            .replace('{orgId}', server.orgId)
            .replace('{groupId}', groupId)
            .replaceAll(/\{\w+\}/g, 'a'.repeat(24)),
      })),
  );
}

test('operation ids are unique at each base', () => {
  for (const base of API_BASES) {
    const at = routes().filter(({ path }) => path.startsWith(`${base.path}/`));
    expect(new Set(at.map(({ endpoint }) => endpoint.operationId)).size).toBe(at.length);
  }
});

test('no operation answers without credentials', async () => {
  for (const { endpoint, path } of routes()) {
    const answer = await send(server.url + path, endpoint.method, { body: {} });
    expect(`${endpoint.operationId} ${answer.status}`).toBe(`${endpoint.operationId} 401`);
    expect(answer.text).toBe(UNAUTHORIZED_BODY);
  }
});

test('C9: no operation on an organization or project answers a key of another organization', async () => {
  for (const { endpoint, path } of routes()) {
    if (endpoint.scope === 'user') continue;
    const answer = await stranger.call(endpoint.method, path, { body: {} });
    const code = endpoint.scope === 'org' ? 'USER_CANNOT_ACCESS_ORG' : 'USER_CANNOT_ACCESS_GROUP';
    expect(`${endpoint.operationId} ${String(answer.headers['x-error-code'])}`).toBe(
      `${endpoint.operationId} ${code}`,
    );
  }
});

test('a key that may only read is refused by every other operation, before the body is judged', async () => {
  const made = await server.api.call('POST', `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'reader', roles: ['ORG_READ_ONLY'] },
  });
  const reader = apiClient(server.url, made.json as unknown as Credentials);
  for (const { endpoint, path } of routes()) {
    if (endpoint.scope === 'user') continue;
    const answer = await reader.call(endpoint.method, path, { body: '{broken' });
    const refused = answer.headers['x-error-code'] === 'USER_UNAUTHORIZED';
    const needsMore = endpoint.method !== 'GET' || endpoint.role === 'ORG_OWNER';
    expect(`${endpoint.operationId} ${refused}`).toBe(`${endpoint.operationId} ${needsMore}`);
    if (refused) expect(answer.status).toBe(401);
  }
});
