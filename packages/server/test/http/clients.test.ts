import { afterAll, beforeAll, expect, test } from 'vitest';
import { textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** What clients of Atlas were seen to send, beyond what the specification asks of them. */

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ rateLimits: 'false' });
});
afterAll(() => server[Symbol.asyncDispose]());

const v1 = '/api/atlas/v1.0';

test('the Go client of v1.0: a list that is not set is null', async () => {
  const path = `${v1}/orgs/${server.orgId}/liveMigrations/linkTokens`;
  const made = await server.api.call('POST', path, { body: { accessListIps: null } });
  expect(made.status).toBe(201);
  expect((await server.api.call('DELETE', path)).status).toBe(204);
});

test('the Go client of v1.0: a project for no regions in particular, with an owner', async () => {
  const made = await server.api.call('POST', `${v1}/groups?projectOwnerId=${server.orgId}`, {
    body: {
      name: 'From Go',
      orgId: server.orgId,
      regionUsageRestrictions: 'NONE',
      withDefaultAlertsSettings: true,
    },
  });
  expect(made.status).toBe(201);
  const again = await server.api.call('GET', `${v1}/groups/${textOf(made, 'id')}`);
  expect(again.json).not.toHaveProperty('regionUsageRestrictions');
});

test('the Go client of v1.0: gzip is accepted, never demanded', async () => {
  const answer = await server.api.call('GET', `${v1}/orgs`, {
    headers: { accept: 'application/json', 'accept-encoding': 'gzip' },
  });
  expect(answer.status).toBe(200);
  expect(answer.headers).not.toHaveProperty('content-encoding');
});

test('the MCP server: a later version date, and no count', async () => {
  const answer = await server.api.call(
    'GET',
    '/api/atlas/v2/orgs?itemsPerPage=10&pageNum=1&includeCount=false',
    { headers: { accept: 'application/vnd.atlas.2025-03-12+json' } },
  );
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe(
    'application/vnd.atlas.2023-01-01+json;charset=utf-8',
  );
});

test('the MCP server: what Atlas has and this server has not is not found', async () => {
  const answer = await server.api.call('GET', '/api/atlas/v2/clusters');
  expect(answer.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
});
