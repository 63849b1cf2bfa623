import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RequestOptions, Response } from '../support/api.ts';
import { apiClient, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let groupId: string;

const PASSWORD = 'do-not-show-9f2c';
const versions = ['2023-01-01', '2023-02-01', '2024-08-05'];

const accept = (date: string): RequestOptions => ({
  headers: { accept: `application/vnd.atlas.${date}+json` },
});

beforeAll(async () => {
  server = await startTestServer({ rateLimits: 'false' });
  const project = await server.api.call('POST', '/api/atlas/v2/groups', {
    body: { name: 'Clusters', orgId: server.orgId },
  });
  groupId = textOf(project, 'id');
  await register(
    'one',
    `mongodb://me:${PASSWORD}@a.example.com:27017,b.example.com/?replicaSet=rs0&tls=true&authSource=admin&appName=x&w=majority`,
  );
  await register('two', `mongodb+srv://me:${PASSWORD}@two.example.com/?appName=x`);
  await server.api.call('POST', own('/one/connectionTest'));
});

afterAll(() => server[Symbol.asyncDispose]());

const own = (rest = ''): string => `/api/linkspan/v1/groups/${groupId}/clusters${rest}`;
const v2 = (rest = ''): string => `/api/atlas/v2/groups/${groupId}/clusters${rest}`;
const v1 = (rest = ''): string => `/api/atlas/v1.0/groups/${groupId}/clusters${rest}`;

async function register(name: string, connectionString: string): Promise<void> {
  const answer = await server.api.call('POST', own(), { body: { name, connectionString } });
  expect(answer.status).toBe(201);
}

const first = (answer: Response): unknown => (answer.json['results'] as unknown[])[0];

test.each(versions)('a destination is shown as Atlas shows clusters, version %s', async (date) => {
  const answer = await server.api.call('GET', v2('/one'), accept(date));
  expect(answer.status).toBe(200);
  expect(answer.headers['content-type']).toBe(`application/vnd.atlas.${date}+json;charset=utf-8`);
  expect(answer.json).toEqual({
    clusterType: 'REPLICASET',
    connectionStrings: {
      standard:
        'mongodb://a.example.com:27017,b.example.com/?tls=true&authSource=admin&replicaSet=rs0',
    },
    groupId,
    id: expect.stringMatching(/^[0-9a-f]{24}$/),
    links: [{ href: `${server.url}${v2('/one')}`, rel: 'self' }],
    mongoDBVersion: '8.2.0',
    name: 'one',
    paused: false,
    stateName: 'IDLE',
  });
  const list = await server.api.call('GET', v2(), accept(date));
  expect(list.json['totalCount']).toBe(2);
  expect(first(list)).toEqual(answer.json);
  expect(list.text).not.toContain(PASSWORD);
});

test('the versions that a newer one replaced say so', async () => {
  const old = await server.api.call('GET', v2(), accept('2023-01-01'));
  const middle = await server.api.call('GET', v2(), accept('2023-05-05'));
  const newest = await server.api.call('GET', v2(), accept('2024-08-05'));
  expect(old.headers['deprecation']).toBe('Wed, 1 Feb 2023 00:00:00 GMT');
  expect(middle.headers['deprecation']).toBe('Mon, 5 Aug 2024 00:00:00 GMT');
  expect(middle.headers['sunset']).toBe('Thu, 1 Jul 2027 00:00:00 GMT');
  expect(newest.headers).not.toHaveProperty('sunset');
});

test('v1.0 shows the same, with its own links', async () => {
  const answer = await server.api.call('GET', v1('/two'));
  expect(answer.json).toEqual({
    connectionStrings: { standardSrv: 'mongodb+srv://two.example.com' },
    groupId,
    id: expect.stringMatching(/^[0-9a-f]{24}$/),
    links: [{ href: `${server.url}${v1('/two')}`, rel: 'self' }],
    name: 'two',
    paused: false,
    stateName: 'IDLE',
  });
});

test('what other clients of Atlas send is accepted', async () => {
  const answer = await server.api.call(
    'GET',
    v2('?includeDeletedWithRetainedBackups=true&itemsPerPage=1&pageNum=2'),
    { headers: { 'Use-Effective-Instance-Fields': 'true' } },
  );
  expect(answer.status).toBe(200);
  expect(answer.json['results']).toHaveLength(1);
  expect(answer.headers['ratelimit-limit']).toBe('10000');
});

test('an unknown cluster is not found, in the recorded words', async () => {
  const answer = await server.api.call('GET', v2('/cluster-989'));
  expect(answer.status).toBe(404);
  expect(answer.json).toEqual({
    detail: `No cluster named cluster-989 exists in group ${groupId}.`,
    error: 404,
    errorCode: 'CLUSTER_NOT_FOUND',
    parameters: ['cluster-989', groupId],
    reason: 'Not Found',
  });
});

test('C9: a cluster is not found through another project', async () => {
  const other = await server.api.call('POST', '/api/atlas/v2/groups', {
    body: { name: 'Other', orgId: server.orgId },
  });
  const path = `/api/atlas/v2/groups/${textOf(other, 'id')}/clusters/one`;
  expect((await server.api.call('GET', path)).json['errorCode']).toBe('CLUSTER_NOT_FOUND');
});

test('a key without a role in the project sees none', async () => {
  const key = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'member', roles: ['ORG_MEMBER'] },
  });
  const member = apiClient(server.url, {
    publicKey: textOf(key, 'publicKey'),
    privateKey: textOf(key, 'privateKey'),
  });
  const answer = await member.call('GET', v2());
  expect(answer.status).toBe(401);
  expect(answer.json['errorCode']).toBe('USER_CANNOT_ACCESS_GROUP');
});
