import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import { answerTo, apiClient, send, textOf } from '../support/api.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let org: string;
beforeAll(async () => {
  server = await startTestServer();
  org = `/api/atlas/v2/orgs/${server.orgId}`;
});
afterAll(() => server[Symbol.asyncDispose]());

const CHALLENGE =
  /^Digest realm="MMS Public API", domain="", nonce="[A-Za-z0-9+/]{32}", algorithm=MD5, qop="auth", stale=false$/;

describe('authentication', () => {
  test('no credentials, a wrong public key and a wrong private key are answered alike', async () => {
    const { publicKey, privateKey } = server.owner;
    const none = await send(server.url + org, 'GET');
    const challenge = none.headers['www-authenticate'] ?? '';
    const answers = [
      none,
      await send(server.url + org, 'GET', { headers: { authorization: 'Basic abc' } }),
      ...(await Promise.all(
        [
          { publicKey: 'nobodyxx', privateKey },
          { publicKey, privateKey: 'wrong' },
        ].map((credentials) =>
          send(server.url + org, 'GET', {
            headers: { authorization: answerTo(challenge, credentials, 'GET', org) },
          }),
        ),
      )),
    ];
    for (const answer of answers) {
      expect(answer.status).toBe(401);
      expect(answer.text).toBe(UNAUTHORIZED_BODY);
      expect(answer.headers['www-authenticate']).toMatch(CHALLENGE);
      expect(Object.keys(answer.headers).toSorted()).toEqual([
        'connection',
        'content-length',
        'content-type',
        'date',
        'server',
        'vary',
        'www-authenticate',
      ]);
      expect(answer.headers['content-type']).toBe('application/json');
    }
  });

  test('C7: an answered nonce count is refused when it is sent again, with stale=true', async () => {
    const challenge = (await send(server.url + org, 'GET')).headers['www-authenticate'] ?? '';
    const headers = {
      accept: 'application/vnd.atlas.2023-01-01+json',
      authorization: answerTo(challenge, server.owner, 'GET', org),
    };
    expect((await send(server.url + org, 'GET', { headers })).status).toBe(200);
    const again = await send(server.url + org, 'GET', { headers });
    expect(again.status).toBe(401);
    expect(again.headers['www-authenticate']).toContain('stale=true');
  });

  test('an answer for another target or method is refused', async () => {
    const challenge = (await send(server.url + org, 'GET')).headers['www-authenticate'] ?? '';
    const authorization = answerTo(challenge, server.owner, 'GET', org);
    const other = await send(`${server.url}${org}/groups`, 'GET', { headers: { authorization } });
    expect(other.status).toBe(401);
    const method = await send(server.url + org, 'DELETE', { headers: { authorization } });
    expect(method.status).toBe(401);
  });

  test('the body is not judged before the request is authenticated', async () => {
    const path = '/api/atlas/v1.0/groups';
    const answer = await send(server.url + path, 'POST', { body: '{broken' });
    expect(answer.status).toBe(401);
  });

  test('a Bearer token is refused as RFC 6750 says', async () => {
    const answer = await send(server.url + org, 'GET', { headers: { authorization: 'Bearer x' } });
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
  });

  test('C6: a key that cannot be looked up is answered with 503, never with 401', async () => {
    await using other = await startTestServer();
    const challenge =
      (await send(`${other.url}/api/atlas/v1.0/orgs`, 'GET')).headers['www-authenticate'] ?? '';
    await other.store.close();
    const answer = await send(`${other.url}/api/atlas/v1.0/orgs`, 'GET', {
      headers: { authorization: answerTo(challenge, other.owner, 'GET', '/api/atlas/v1.0/orgs') },
    });
    expect(answer.status).toBe(503);
    expect(answer.json).toMatchObject({ error: 503, errorCode: 'SERVICE_UNAVAILABLE' });
    expect(answer.headers['retry-after']).toBe('5');
  });
});

describe('versions', () => {
  test.each([undefined, 'application/json', 'application/vnd.atlas.2022-12-31+json', '*/*'])(
    'Accept %s is answered with 406 in v2',
    async (accept) => {
      const headers = accept === undefined ? { accept: '' } : { accept };
      const answer = await server.api.call('GET', org, { headers });
      expect(answer.status).toBe(406);
      expect(answer.headers['x-error-code']).toBe('INVALID_VERSION_DATE');
      expect(answer.headers['content-type']).toBe('application/json');
    },
  );

  test('a later date resolves to the version before it, and the answer names that', async () => {
    const answer = await server.api.call('GET', org, {
      headers: { accept: 'application/vnd.atlas.2026-01-01+json' },
    });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe(
      'application/vnd.atlas.2023-01-01+json;charset=utf-8',
    );
  });

  test('v1.0 has no versions', async () => {
    const answer = await server.api.call('GET', `/api/atlas/v1.0/orgs/${server.orgId}`);
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toBe('application/json');
  });

  test('a replaced version is marked, on errors too', async () => {
    const groups = await server.api.call('POST', '/api/atlas/v1.0/groups', {
      body: { name: 'versions', orgId: server.orgId },
    });
    const path = `/api/atlas/v2/groups/${textOf(groups, 'id')}/liveMigrations`;
    const old = await server.api.call('POST', path, {
      body: {},
      headers: { accept: 'application/vnd.atlas.2023-01-01+json' },
    });
    expect(old.status).toBe(400);
    expect(old.headers['deprecation']).toBe('Thu, 30 May 2024 00:00:00 GMT');
    expect(old.headers['sunset']).toBe('Thu, 1 Jul 2027 00:00:00 GMT');
    expect(old.text).toContain('dropEnabled');
    const current = await server.api.call('POST', path, { body: {} });
    expect(current.headers).not.toHaveProperty('sunset');
    expect(current.text).not.toContain('dropEnabled');
  });
});

describe('answers', () => {
  test('have the recorded headers', async () => {
    const { headers } = await server.api.call('GET', org);
    expect(headers).toMatchObject({
      'referrer-policy': 'strict-origin-when-cross-origin',
      'strict-transport-security': 'max-age=31536000; includeSubdomains;',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'x-permitted-cross-domain-policies': 'none',
      'ratelimit-limit': '500',
    });
    expect(Number(headers['ratelimit-remaining'])).toBeLessThan(500);
    const refused = await server.api.call('GET', '/api/atlas/v2/groups/zz/clusters');
    expect(refused.headers).toMatchObject({
      'content-type': 'application/json',
      vary: 'Accept-Encoding',
      'x-error-code': 'INVALID_GROUP_ID',
      'x-frame-options': 'DENY',
    });
    for (const [method, path] of [
      ['GET', '/api/atlas/v2/nothing'],
      ['PUT', '/api/atlas/v2/groups'],
      ['OPTIONS', '/api/atlas/v2/groups'],
    ] as const) {
      const answer = await send(server.url + path, method);
      expect(answer.headers['x-frame-options'], `${method} ${path}`).toBe('DENY');
    }
  });

  test('are compact with sorted keys, indented with pretty', async () => {
    const plain = await server.api.call('GET', org);
    expect(Object.keys(plain.json)).toEqual(Object.keys(plain.json).toSorted());
    expect(plain.text).not.toContain('\n');
    const pretty = await server.api.call('GET', `${org}?pretty=true`);
    expect(pretty.text).toBe(JSON.stringify(plain.json, null, 2));
  });

  test('to HEAD are those to GET without the body, for an authenticated caller only', async () => {
    const got = await server.api.call('GET', org);
    const head = await server.api.call('HEAD', org);
    expect(head).toMatchObject({ status: 200, text: '' });
    for (const name of ['content-type', 'content-length', 'ratelimit-limit', 'x-frame-options']) {
      expect(head.headers[name]).toBe(got.headers[name]);
    }
    const stranger = await send(server.url + org, 'HEAD');
    expect(stranger).toMatchObject({ status: 401, text: '' });
    expect(stranger.headers['www-authenticate']).toMatch(CHALLENGE);
  });

  test('have an envelope if asked for: single, list, error, and 204 as 200', async () => {
    const single = await server.api.call('GET', `${org}?envelope=true`);
    expect(single.json).toMatchObject({ status: 200, content: { id: server.orgId } });
    const list = await server.api.call('GET', '/api/atlas/v2/orgs?envelope=true');
    expect(list.json).toMatchObject({ status: 200, totalCount: 1, results: [{}], links: [{}] });
    const error = await server.api.call('DELETE', `${org}/liveMigrations/linkTokens?envelope=true`);
    expect(error.status).toBe(404);
    expect(error.json).toMatchObject({ status: 404, content: { error: 404 } });
    await server.api.call('POST', `${org}/liveMigrations/linkTokens`, { body: {} });
    const none = await server.api.call('DELETE', `${org}/liveMigrations/linkTokens?envelope=true`);
    expect(none.status).toBe(200);
    expect(none.json).toEqual({ content: {}, status: 204 });
  });

  test('page lists', async () => {
    const ids: string[] = [];
    for (const name of ['page a', 'page b', 'page c']) {
      const made = await server.api.call('POST', '/api/atlas/v2/groups', {
        body: { name, orgId: server.orgId, clusterCount: 0, created: '0001-01-01T00:00:00Z' },
      });
      expect(made.status).toBe(201);
      expect(made.headers.location).toBe(`${server.url}/api/atlas/v2/groups/${textOf(made, 'id')}`);
      ids.push(textOf(made, 'id'));
    }
    const query = 'name=page&itemsPerPage=2&pageNum=2';
    const page = await server.api.call('GET', `${org}/groups?${query}`);
    expect(page.json).toMatchObject({ totalCount: 3, results: [{ id: ids[2] }] });
    expect(page.json['links']).toEqual([
      {
        href: `${server.url}${org}/groups?includeCount=true&name=page&pageNum=2&itemsPerPage=2`,
        rel: 'self',
      },
      {
        href: `${server.url}${org}/groups?includeCount=true&name=page&pageNum=1&itemsPerPage=2`,
        rel: 'previous',
      },
    ]);
    const uncounted = await server.api.call('GET', `${org}/groups?includeCount=false`);
    expect(uncounted.json).toMatchObject({ totalCount: 0 });
    const self = (await server.api.call('GET', '/api/atlas/v2/groups')).json['links'] as unknown;
    expect(self).toEqual([
      {
        href: `${server.url}/api/atlas/v2/groups?includeCount=true&pageNum=1&itemsPerPage=100`,
        rel: 'self',
      },
    ]);
  });

  test.each(['pageNum=0', 'itemsPerPage=501', 'itemsPerPage=x', 'envelope=yes', 'pretty=1'])(
    'a query parameter %s is refused by name',
    async (query) => {
      const answer = await server.api.call('GET', `/api/atlas/v2/groups?${query}`);
      expect(answer.status).toBe(400);
      expect(answer.json).toMatchObject({
        errorCode: 'INVALID_QUERY_PARAMETER',
        parameters: [query.split('=')[0]],
      });
    },
  );

  test('an unknown route is 404, a wrong method 405, a bad URL no crash', async () => {
    const unknown = await server.api.call('GET', '/api/atlas/v2/nothing?pretty=false');
    expect(unknown.status).toBe(404);
    expect(unknown.json).toEqual({
      detail: 'Cannot find resource /api/atlas/v2/nothing.',
      error: 404,
      errorCode: 'RESOURCE_NOT_FOUND',
      parameters: ['/api/atlas/v2/nothing'],
      reason: 'Not Found',
    });
    const method = await server.api.call('PUT', '/api/atlas/v2/groups');
    expect(method.status).toBe(405);
    expect(method.headers.allow).toBe('GET, HEAD, OPTIONS, POST');
    for (const name of ['PROPFIND', 'LINK', 'TRACE']) {
      const other = await send(`${server.url}/api/atlas/v2/groups`, name);
      expect(other.status, name).toBe(405);
    }
    const head = await server.api.call('HEAD', `${org}/liveMigrations/linkTokens`);
    expect(head.status).toBe(405);
    expect(head.headers.allow).toBe('DELETE, OPTIONS, POST');
    const long = await server.api.call('GET', `/api/atlas/v2/groups/${'x'.repeat(1001)}`);
    expect(long.status).toBe(400);
    expect(long.json).toMatchObject({ errorCode: 'INVALID_PATH_PARAMETER' });
    expect(long.text).not.toContain('xxx');
    const bad = await server.api.call('GET', '/api/atlas/v2/groups/%zz');
    expect(bad.status).toBe(400);
    expect(bad.json).toMatchObject({ errorCode: 'VALIDATION_ERROR' });
    const twice = await send(server.url + org, 'PUT', {
      headers: { 'content-length': '0', 'transfer-encoding': 'chunked' },
    });
    expect(twice.json).toMatchObject({ error: 400, errorCode: 'VALIDATION_ERROR' });
    const large = await send(server.url + org, 'GET', { headers: { x: 'x'.repeat(20_000) } });
    expect(large.status).toBe(431);
    expect(large.json).toMatchObject({ error: 431, errorCode: 'REQUEST_HEADERS_TOO_LARGE' });
  });
});

test('OPTIONS tells what a path answers, HEAD is a GET without its body', async () => {
  const options = await send(`${server.url}${org}/groups`, 'OPTIONS');
  expect(options.status).toBe(204);
  expect(options.headers.allow).toBe('GET, HEAD, OPTIONS');
  const get = await server.api.call('GET', org);
  const head = await server.api.call('HEAD', org);
  expect(head.status).toBe(200);
  expect(head.text).toBe('');
  for (const name of ['content-type', 'content-length', 'ratelimit-limit', 'x-frame-options']) {
    expect(`${name} ${String(head.headers[name])}`).toBe(`${name} ${String(get.headers[name])}`);
  }
});

test('a version that is taken out of service answers 410, except in v1.0', async () => {
  await using strict = await startTestServer({ goneVersions: '2023-01-01' });
  const headers = { accept: 'application/vnd.atlas.2023-01-01+json' };
  const made = await strict.api.call('POST', '/api/atlas/v1.0/groups', {
    body: { name: 'Project', orgId: strict.orgId },
  });
  const path = `groups/${textOf(made, 'id')}/liveMigrations`;
  const gone = await strict.api.call('POST', `/api/atlas/v2/${path}`, { headers, body: {} });
  expect(gone.status).toBe(410);
  expect(gone.json).toMatchObject({
    detail: `Version 2023-01-01 of api/atlas/v2/${path} is no longer available.`,
    errorCode: 'VERSION_GONE',
  });
  expect(gone.headers.sunset).toBe('Thu, 1 Jul 2027 00:00:00 GMT');
  const newer = await strict.api.call('POST', `/api/atlas/v2/${path}`, { body: {} });
  expect(newer.status).toBe(400);
  const v1 = await strict.api.call('POST', `/api/atlas/v1.0/${path}`, { body: {} });
  expect(v1.status).toBe(400);
  const only = await strict.api.call('GET', `/api/atlas/v2/groups`, { headers });
  expect(only.status).toBe(200);
});

describe('bodies', () => {
  const path = '/api/atlas/v2/groups';
  test.each([
    ['{"name":', 'MALFORMED_JSON', null],
    ['', 'INVALID_JSON', null],
    ['3', 'INVALID_JSON', null],
    ['{"name":"x"}', 'MISSING_ATTRIBUTE', 'orgId'],
    ['{"name":1,"orgId":"0123456789abcdef01234567"}', 'INVALID_JSON_ATTRIBUTE', 'name'],
    ['{"name":"x","orgId":"zz"}', 'INVALID_ATTRIBUTE', 'orgId'],
    ['{"name":"x","orgId":"0123456789abcdef01234567","colour":1}', 'INVALID_ATTRIBUTE', 'colour'],
    [
      '{"name":"x","orgId":"0123456789abcdef01234567","regionUsageRestrictions":"MOON"}',
      'INVALID_ENUM_VALUE',
      'regionUsageRestrictions',
    ],
    ['{"name":"<x>","orgId":"0123456789abcdef01234567"}', 'INVALID_GROUP_NAME', 'name'],
  ])('%s is refused with %s, naming %s', async (body, errorCode, field) => {
    const answer = await server.api.call('POST', path, { body });
    expect(answer.status).toBe(400);
    expect(answer.headers['x-error-code']).toBe(errorCode);
    expect(answer.json).toMatchObject({ error: 400, errorCode, reason: 'Bad Request' });
    if (field !== null) expect(answer.text).toContain(`"field":"${field}"`);
  });

  test('every wrong field is named once, the innermost where it may also be null', async () => {
    const answer = await server.api.call('POST', `${org}/liveMigrations/linkTokens`, {
      body: { accessListIps: ['192.0.2.1', 7], other: 1 },
    });
    expect(answer.json).toMatchObject({
      badRequestDetail: {
        fields: [
          { field: 'other', description: 'is not an attribute of this request' },
          { field: 'accessListIps.1', description: 'must be string' },
        ],
      },
    });
  });

  test('a media type of any version is read, another is refused', async () => {
    const body = { name: 'media type', orgId: server.orgId };
    const versioned = await server.api.call('POST', path, {
      body,
      headers: { 'content-type': 'application/vnd.atlas.2023-01-01+json' },
    });
    expect(versioned.status).toBe(201);
    for (const type of [
      'application/x-www-form-urlencoded',
      'text',
      'a b',
      'application/json, x',
    ]) {
      const other = await server.api.call('POST', path, {
        body,
        headers: { 'content-type': type },
      });
      expect(other.status, type).toBe(415);
      expect(other.json, type).toMatchObject({ errorCode: 'UNSUPPORTED_MEDIA_TYPE' });
    }
    const empty = await server.api.call('POST', path, {
      body: { ...body, name: 'no media type' },
      headers: { 'content-type': '' },
    });
    expect(empty.status).toBe(201);
  });

  test('a body over the limit is refused', async () => {
    const answer = await server.api.call('POST', path, { body: 'x'.repeat(1024 * 1024 + 1) });
    expect(answer.status).toBe(413);
    expect(answer.json).toMatchObject({ errorCode: 'PAYLOAD_TOO_LARGE' });
  });

  test.each(['application/vnd.atlas.2023-01-01+json', 'text/plain', '', 'text', 'a b'])(
    'the Content-Type of a DELETE does not matter: "%s"',
    async (type) => {
      const removal = `${org}/liveMigrations/linkTokens`;
      const headers = { 'content-type': type };
      for (const options of [{ headers }, { headers, body: 'x' }]) {
        const answer = await server.api.call('DELETE', removal, options);
        expect(answer.headers['x-error-code']).toBe('UNEXPECTED_ERROR');
        expect(answer.status).toBe(404);
      }
    },
  );
});

test('C10: a caller who does not belong takes nothing out of the bucket; a full one is told when', async () => {
  await using limited = await startTestServer();
  const path = `/api/atlas/v1.0/orgs/${limited.orgId}`;
  const stranger = await limited.api.call('POST', '/api/atlas/v1.0/orgs', {
    body: { name: 'Other', apiKey: { desc: 'key', roles: ['ORG_OWNER'] } },
  });
  expect(stranger.status).toBe(201);
  const key = stranger.json['apiKey'] as { publicKey: string; privateKey: string };
  const other = apiClient(limited.url, key);
  for (let index = 0; index < 3; index += 1) {
    expect((await other.call('GET', path)).json).toMatchObject({
      error: 401,
      errorCode: 'USER_CANNOT_ACCESS_ORG',
    });
  }
  const first = await limited.api.call('GET', path);
  expect(first.headers['ratelimit-remaining']).toBe('499');
});

test('C10: an empty bucket is answered with 429, and does not keep a link-token from being removed', async () => {
  await using limited = await startTestServer();
  const base = `/api/atlas/v1.0/orgs/${limited.orgId}/liveMigrations`;
  await limited.api.call('POST', `${base}/linkTokens`, { body: {} });
  const target = `${base}/availableProjects`;
  const challenge = (await send(limited.url + target, 'GET')).headers['www-authenticate'] ?? '';
  const drain = async (count: number) =>
    send(limited.url + target, 'GET', {
      headers: { authorization: answerTo(challenge, limited.owner, 'GET', target, count) },
    });
  let last = await drain(1);
  for (let count = 2; last.status === 200; count += 1) last = await drain(count);
  expect(last.status).toBe(429);
  expect(last.headers).toMatchObject({
    'ratelimit-limit': '500',
    'ratelimit-remaining': '0',
    'retry-after': '1',
    'x-error-code': 'RATE_LIMITED_TOKEN_BUCKET',
  });
  expect(last.json).toMatchObject({ parameters: [target, '1', '500', '250', '60'] });
  expect((await limited.api.call('DELETE', `${base}/linkTokens`)).status).toBe(204);
});

test('a proxy is believed only where it is trusted', async () => {
  const headers = { 'x-forwarded-for': '203.0.113.9' };
  for (const [flags, status] of [
    [{}, 200],
    [{ trustedProxies: '127.0.0.1' }, 403],
  ] as const) {
    await using own = await startTestServer(flags);
    const path = `/api/atlas/v1.0/orgs/${own.orgId}/apiKeys`;
    const list = `${path}/${own.owner.id}/accessList`;
    await own.api.call('POST', list, { body: [{ ipAddress: '127.0.0.1' }] });
    expect((await own.api.call('GET', path, { headers })).status).toBe(status);
  }
});

test('a path is the same with a slash at its end: clients of Atlas write one', async () => {
  for (const path of ['/api/atlas/v1.0/orgs/', '/api/atlas/v2/orgs/', '/api/atlas/v1.0/']) {
    expect((await server.api.call('GET', path)).status).toBe(200);
  }
  const none = await server.api.call('DELETE', '/api/atlas/v1.0/orgs/');
  expect(none.json).toMatchObject({ error: 405, errorCode: 'METHOD_NOT_ALLOWED' });
});
