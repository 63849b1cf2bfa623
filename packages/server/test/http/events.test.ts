import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { timestamp } from '../../src/domain/time.ts';
import * as events from '../../src/store/events.ts';
import { type Api, apiClient, type Credentials, type Json, textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { askToken, bearerClient, makeClient, newToken } from '../support/oauth.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let groupId: string;
let otherGroupId: string;
let org: string;
let group: string;
beforeAll(async () => {
  server = await startTestServer();
  org = `/api/atlas/v2/orgs/${server.orgId}/events`;
  await linkHost(server);
  groupId = await makeDestination(server);
  otherGroupId = await makeDestination(server, 'Other');
  group = `/api/atlas/v2/groups/${groupId}/events`;
  await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: migrationBody(groupId),
  });
});
afterAll(() => server[Symbol.asyncDispose]());

interface Shown extends Json {
  readonly id: string;
  readonly created: string;
  readonly eventTypeName: string;
}

async function list(path: string, api: Api = server.api): Promise<readonly Shown[]> {
  const answer = await api.call('GET', path);
  expect(`${answer.status} ${answer.text.slice(0, 200)}`).toMatch(/^200/);
  return answer.json['results'] as Shown[];
}

async function types(path: string, api?: Api): Promise<readonly string[]> {
  return (await list(path, api)).map((event) => event.eventTypeName);
}

async function keyWith(path: string, body: object): Promise<Api> {
  const made = await server.api.call('POST', path, { body });
  return apiClient(server.url, made.json as unknown as Credentials);
}

test('a project lists its events, the newest first, with who, from where and what', async () => {
  const [migration, cluster, project, ...none] = await list(group);
  expect(none).toEqual([]);
  expect(migration).toEqual({
    apiKeyId: server.owner.id,
    clusterName: 'target',
    created: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    eventTypeName: 'LIVE_MIGRATION_CREATED',
    groupId,
    id: expect.stringMatching(/^[0-9a-f]{24}$/),
    isGlobalAdmin: false,
    links: [{ href: `${server.url}${group}/${migration?.id}`, rel: 'self' }],
    orgId: server.orgId,
    publicKey: server.owner.publicKey,
    remoteAddress: '127.0.0.1',
    resourceId: expect.stringMatching(/^[0-9a-f]{24}$/),
    resourceType: 'liveMigration',
  });
  expect(cluster).toMatchObject({ eventTypeName: 'CLUSTER_CREATED', resourceType: 'cluster' });
  expect(project).toMatchObject({ eventTypeName: 'GROUP_CREATED', resourceId: groupId });
  const whole = await server.api.call('GET', `${group}/${migration?.id}?includeRaw=true`);
  expect(whole.json).toEqual({
    ...migration,
    raw: {
      clientId: null,
      created: expect.stringMatching(/\.\d{3}Z$/),
      detail: expect.objectContaining({ clusterName: 'target', sourceClusterName: 'orders' }),
      migrationHostId: null,
      targetId: migration?.['resourceId'],
      targetType: 'liveMigration',
    },
  });
  expect(whole.text).not.toContain('source-password');
});

test('an organization lists its own events and those of its projects, as far as the caller reads them', async () => {
  const all = await list(org);
  expect(all.map((event) => event['groupId'])).toContain(otherGroupId);
  const token = all.find((event) => event.eventTypeName === 'LIVE_MIGRATION_LINK_TOKEN_CREATED');
  expect(token).toMatchObject({ links: [{ href: `${server.url}${org}/${token?.id}` }] });
  expect(token).not.toHaveProperty('clusterName');
  const keys = `/api/atlas/v2/orgs/${server.orgId}/apiKeys`;
  const member = await keyWith(keys, { desc: 'member', roles: ['ORG_MEMBER'] });
  expect(new Set((await list(org, member)).map((event) => event['groupId']))).toEqual(
    new Set([undefined]),
  );
  const ofProject = await keyWith(`/api/atlas/v2/groups/${otherGroupId}/apiKeys`, {
    desc: 'project reader',
    roles: ['GROUP_READ_ONLY'],
  });
  const seen = new Set((await list(org, ofProject)).map((event) => event['groupId']));
  expect(seen).toEqual(new Set([undefined, otherGroupId]));
  const hidden = (await list(group))[0]?.id ?? '';
  const refused = await ofProject.call('GET', `${org}/${hidden}`);
  expect(refused.json).toMatchObject({ error: 404, errorCode: 'ORG_EVENT_NOT_FOUND' });
  expect((await server.api.call('GET', `${org}/${hidden}`)).status).toBe(200);
});

test('events of an API key name the key and the entry of its list', async () => {
  const keys = `/api/atlas/v2/orgs/${server.orgId}/apiKeys`;
  const made = await server.api.call('POST', keys, { body: { desc: 'x', roles: ['ORG_MEMBER'] } });
  const key = `${keys}/${textOf(made, 'id')}`;
  await server.api.call('POST', `${key}/accessList`, { body: [{ ipAddress: '192.0.2.1' }] });
  await server.api.call('DELETE', key);
  const targetPublicKey = textOf(made, 'publicKey');
  expect((await list(`${org}?itemsPerPage=3`)).slice(0, 3)).toMatchObject([
    { eventTypeName: 'API_KEY_DELETED', targetPublicKey },
    {
      eventTypeName: 'API_KEY_ACCESS_LIST_ENTRY_ADDED',
      targetPublicKey,
      whitelistEntry: '192.0.2.1/32',
    },
    { eventTypeName: 'API_KEY_CREATED', targetPublicKey },
  ]);
});

test('what a service account does names it by its client ID; its system status has no key', async () => {
  const account = await makeClient(server);
  const bearer = bearerClient(server.url, await newToken(server.url, account));
  await bearer.call('PATCH', `/api/atlas/v2/orgs/${server.orgId}`, { body: { name: 'Renamed' } });
  const [event] = await list(`${org}?includeRaw=true&itemsPerPage=1`, bearer);
  expect(event).toMatchObject({
    eventTypeName: 'ORG_RENAMED',
    publicKey: account.clientId,
    raw: { clientId: account.clientId },
    remoteAddress: '127.0.0.1',
  });
  expect(event).not.toHaveProperty('apiKeyId');
  const status = await bearer.call('GET', '/api/atlas/v2');
  expect(status.json).toMatchObject({ apiKey: null, appName: 'MongoDB Atlas' });
});

test('C11: a wrong client secret and a refused access token are events of the account', async () => {
  const account = await makeClient(server);
  await askToken(server.url, { ...account, secret: `mdb_sa_sk_${'x'.repeat(40)}` });
  const token = await newToken(server.url, account);
  await server.store.db.deleteFrom('access_tokens').execute();
  expect((await bearerClient(server.url, token).call('GET', org)).status).toBe(401);
  const failed = async (): Promise<unknown[]> => {
    const all = await list(`${org}?eventType=SERVICE_ACCOUNT_SIGN_IN_FAILED&includeRaw=true`);
    return all.filter((event) => event['resourceId'] === account.clientId).toReversed();
  };
  // Nobody waits for the writing of these events.
  await expect
    .poll(failed)
    .toMatchObject([
      { raw: { detail: { failure: 'WRONG_SECRET' } } },
      { raw: { detail: { failure: 'INVALID_ACCESS_TOKEN' } } },
    ]);
});

test('an address of IPv6 is written as the contract has it', async () => {
  await events.record(server.store.db, {
    type: 'ORG_RENAMED',
    orgId: server.orgId,
    actor: { remoteAddress: '2001:db8::1' },
    targetId: server.orgId,
  });
  expect((await list(org))[0]).toMatchObject({ remoteAddress: '2001:db8:0:0:0:0:0:1' });
});

describe('filters', () => {
  test('types are chosen, several at once, and left out; what never happens here matches nothing', async () => {
    expect(await types(`${group}?eventType=CLUSTER_CREATED`)).toEqual(['CLUSTER_CREATED']);
    const both = ['LIVE_MIGRATION_CREATED', 'CLUSTER_CREATED'];
    expect(await types(`${group}?eventType=${both.join('&eventType=')}`)).toEqual(both);
    expect(await types(`${group}?eventType=${both.join(',')}`)).toEqual(both);
    expect(await types(`${group}?excludedEventType=${both.join(',')}`)).toEqual(['GROUP_CREATED']);
    expect(await types(`${group}?eventType=ALERT_ACKNOWLEDGED_AUDIT`)).toEqual([]);
    expect(await types(`${group}?eventType=`)).toHaveLength(3);
  });

  test('the cluster of a migration is found by its name, also later and in another case', async () => {
    expect(await types(`${group}?clusterNames=target`)).toEqual([
      'LIVE_MIGRATION_CREATED',
      'CLUSTER_CREATED',
    ]);
    expect(await types(`${group}?clusterNames=target,else`)).toHaveLength(2);
    expect(await types(`${group}?clusterNames=else`)).toEqual([]);
  });

  test('times are bounds, and what shows the bound itself is within', async () => {
    const [newest] = await list(group);
    const at = newest?.created ?? '';
    const within = await types(`${group}?minDate=${at}&maxDate=${at}`);
    expect(within).toContain('LIVE_MIGRATION_CREATED');
    const later = timestamp(new Date(Date.parse(at) + 1000));
    expect(await types(`${group}?minDate=${later}`)).toEqual([]);
    expect(await types(`${group}?maxDate=${later}`)).toHaveLength(3);
    expect(await types(`${group}?maxDate=2020-01-01`)).toEqual([]);
  });

  test.each([
    ['minDate=yesterday', 'INVALID_DATE_FORMAT', ['yesterday']],
    [
      'minDate=2026-01-02T00:00:00Z&maxDate=2026-01-01T00:00:00Z',
      'INVALID_DATE_RANGE',
      ['2026-01-02T00:00:00Z', '2026-01-01T00:00:00Z'],
    ],
    ['eventType=cluster%20created', 'INVALID_ENUM_VALUE', ['cluster created']],
    ['excludedEventType=x', 'INVALID_ENUM_VALUE', ['x']],
    ['clusterNames=a%20b', 'INVALID_QUERY_PARAMETER', ['clusterNames']],
    ['includeRaw=maybe', 'INVALID_QUERY_PARAMETER', ['includeRaw']],
  ])('%s is refused', async (query, errorCode, parameters) => {
    const answer = await server.api.call('GET', `${group}?${query}`);
    expect(answer.json).toMatchObject({ error: 400, errorCode, parameters });
  });
});

test('a page is cut and counted; without a count the next page is known all the same', async () => {
  const whole = await list(group);
  const second = await server.api.call('GET', `${group}?itemsPerPage=1&pageNum=2`);
  expect(second.json).toMatchObject({ results: [whole[1]], totalCount: 3 });
  const rels = (json: Json) => (json['links'] as { rel: string }[]).map(({ rel }) => rel);
  expect(rels(second.json)).toEqual(['self', 'previous', 'next']);
  const uncounted = `${group}?itemsPerPage=1&includeCount=false&pageNum=`;
  const middle = await server.api.call('GET', `${uncounted}2`);
  expect(middle.json).toMatchObject({ results: [whole[1]], totalCount: 0 });
  expect(rels(middle.json)).toEqual(['self', 'previous', 'next']);
  const last = await server.api.call('GET', `${uncounted}3`);
  expect(rels(last.json)).toEqual(['self', 'previous']);
});

test('C9: an event of another project or organization is not found', async () => {
  const [event] = await list(`/api/atlas/v2/groups/${otherGroupId}/events`);
  const answer = await server.api.call('GET', `${group}/${event?.id}`);
  expect(answer.json).toMatchObject({
    detail: `No event with ID ${event?.id} exists for group ${groupId}.`,
    errorCode: 'EVENT_NOT_FOUND',
  });
  const nonsense = await server.api.call('GET', `${org}/nonsense`);
  expect(nonsense.json).toMatchObject({ error: 404, errorCode: 'ORG_EVENT_NOT_FOUND' });
});
