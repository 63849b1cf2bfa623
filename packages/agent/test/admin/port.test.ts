import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';

import { UNAUTHORIZED_BODY } from '@linkspan/contract/api/errors.ts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';

import {
  answerTo,
  KEY,
  LINK,
  ORG,
  send,
  startAdminHost,
  startTestServer,
  STATUS,
  tokenOf,
  type AdminHost,
  type TestServer,
} from '../support/adminHost.ts';

let server: TestServer;
let host: AdminHost;
beforeAll(async () => {
  server = await startTestServer();
  host = await startAdminHost({ linkPatienceMs: 300, farewellPatienceMs: 100 });
});
afterAll(async () => {
  await host?.[Symbol.asyncDispose]();
  await server?.[Symbol.asyncDispose]();
});

interface Body {
  readonly errorCode: string;
  readonly error: number;
  readonly detail: string;
  readonly badRequestDetail?: { readonly fields: readonly { readonly field: string }[] };
}

async function failure(
  method: string,
  target: string,
  call: Parameters<AdminHost['call']>[2] = {},
) {
  const { status, headers, text: body } = await host.call(method, target, call);
  const parsed = JSON.parse(body) as Body;
  expect(headers['content-type']).toBe('application/json');
  expect(headers['x-error-code']).toBe(parsed.errorCode);
  expect(parsed.error).toBe(status);
  return { status, headers, ...parsed, fields: parsed.badRequestDetail?.fields ?? [] };
}

test('no, wrong and unknown credentials are answered alike, byte for byte as recorded', async () => {
  const wrong = { ...KEY, privateKey: 'b3a9e7f0-1111-4222-8333-444455556667' };
  const unknown = { ...KEY, publicKey: 'zzzzzzzz' };
  const answers = [
    await send(host.url + STATUS, 'GET'),
    await send(host.url + STATUS, 'GET', { headers: { authorization: 'Bearer x' } }),
    await send(host.url + STATUS, 'GET', { headers: { authorization: 'Digest username="a"' } }),
    await host.call('GET', STATUS, { key: wrong }),
    await host.call('GET', STATUS, { key: unknown }),
    await send(host.url + LINK, 'POST', { body: { linkToken: 'x' } }),
  ];
  for (const { status, headers, text: body } of answers) {
    expect(status).toBe(401);
    expect(body).toBe(UNAUTHORIZED_BODY);
    expect(headers['www-authenticate']).toMatch(
      /^Digest realm="MMS Public API", domain="", nonce="[A-Za-z0-9+/]{32}", algorithm=MD5, qop="auth", stale=false$/,
    );
    expect(Object.keys(headers).filter((name) => name.startsWith('x-'))).toEqual([]);
  }
});

test('C7: an answer to a challenge is good for one request', async () => {
  const challenge = (await send(host.url + STATUS, 'GET')).headers['www-authenticate'] as string;
  const headers = { authorization: answerTo(challenge, KEY, 'GET', STATUS) };
  expect((await send(host.url + STATUS, 'GET', { headers })).status).toBe(200);
  const again = await send(host.url + STATUS, 'GET', { headers });
  expect(again.status).toBe(401);
  expect(again.headers['www-authenticate']).toContain('stale=true');
  expect((await send(host.url + STATUS, 'DELETE', { headers })).status).toBe(405);
});

test('every error has its code, and names what it is about', async () => {
  const other = LINK.replace(ORG, '5f00000000000000000000ab');
  const json = { 'content-type': 'application/json' };
  const cases: [string, string, Parameters<AdminHost['call']>[2], number, string][] = [
    ['GET', STATUS.replace(ORG, '555'), {}, 404, 'INVALID_ORG_ID'],
    ['POST', other, { body: { linkToken: 'x' } }, 404, 'ORG_NOT_FOUND'],
    ['DELETE', other, {}, 404, 'ORG_NOT_FOUND'],
    ['GET', `${LINK}/nothing`, {}, 404, 'RESOURCE_NOT_FOUND'],
    ['GET', '/', {}, 404, 'RESOURCE_NOT_FOUND'],
    ['GET', STATUS.replace(ORG, 'a'.repeat(2000)), {}, 400, 'INVALID_PATH_PARAMETER'],
    ['GET', LINK, {}, 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', LINK, { body: {} }, 405, 'METHOD_NOT_ALLOWED'],
    ['OPTIONS', STATUS, {}, 405, 'METHOD_NOT_ALLOWED'],
    ['GET', `${STATUS}?pretty=maybe`, {}, 400, 'INVALID_QUERY_PARAMETER'],
    ['POST', LINK, {}, 400, 'INVALID_JSON'],
    ['POST', LINK, { body: '[]', headers: json }, 400, 'INVALID_JSON'],
    ['POST', LINK, { body: '{', headers: json }, 400, 'MALFORMED_JSON'],
    [
      'POST',
      LINK,
      { body: '{}', headers: { 'content-type': 'text/plain' } },
      415,
      'UNSUPPORTED_MEDIA_TYPE',
    ],
    ['POST', LINK, { body: { linkToken: 'x'.repeat(1024 * 1024) } }, 413, 'PAYLOAD_TOO_LARGE'],
    ['POST', LINK, { body: {} }, 400, 'MISSING_ATTRIBUTE'],
    ['POST', LINK, { body: { linkToken: 7 } }, 400, 'INVALID_JSON_ATTRIBUTE'],
    ['POST', LINK, { body: { linkToken: '' } }, 400, 'INVALID_ATTRIBUTE'],
    ['POST', LINK, { body: { linkToken: 'x', more: 1 } }, 400, 'INVALID_ATTRIBUTE'],
  ];
  for (const [method, target, call, status, code] of cases) {
    const got = await failure(method, target, call);
    expect({ method, target, status: got.status, code: got.errorCode }).toEqual({
      method,
      target,
      status,
      code,
    });
  }
  expect((await failure('PATCH', LINK)).headers['allow']).toBe('POST, DELETE');
  expect((await failure('POST', LINK, { body: { linkToken: 'x', more: 1 } })).fields).toEqual([
    expect.objectContaining({ field: 'more' }),
  ]);
});

test('a token that is no good is a clear error, and links nothing', async () => {
  const damaged = await failure('POST', LINK, { body: { linkToken: 'lslt_c2VjcmV0' } });
  expect(damaged).toMatchObject({ status: 400, errorCode: 'VALIDATION_ERROR' });
  expect(damaged.detail).toContain('the link-token is damaged');
  expect(damaged.fields).toMatchObject([{ field: 'linkToken' }]);

  const insecure = tokenOf('http://linkspan.example.com', 'a');
  expect((await failure('POST', LINK, { body: { linkToken: insecure } })).detail).toContain(
    'https is demanded',
  );

  const refusal = 'The link-token has expired. Remove it and create a new one.';
  server.answers.set('/hosts', async () => [
    401,
    { errorCode: 'LINK_TOKEN_REFUSED', detail: refusal },
  ]);
  const expired = await failure('POST', LINK, { body: { linkToken: server.token('expired') } });
  expect(expired).toMatchObject({ status: 400, errorCode: 'VALIDATION_ERROR' });
  expect(expired.detail).toContain('The link-token has expired');
  server.answers.clear();

  // Nothing listens on port 1.
  const lost = await failure('POST', LINK, {
    body: { linkToken: tokenOf('http://127.0.0.1:1', 'lost') },
  });
  expect(lost).toMatchObject({ status: 503, errorCode: 'SERVICE_UNAVAILABLE' });
  expect(lost.headers['retry-after']).toBe('5');
  expect(lost.detail).toContain('http://127.0.0.1:1 cannot be reached: connection refused');
  expect(await host.status()).toBe('NOT_SYNCED');
  // The answer may have been lost: there may be a link at the server that has to be ended.
  expect((await host.call('DELETE', LINK)).status).toBe(204);
  expect((await host.call('DELETE', LINK)).status).toBe(404);
});

test('pretty and envelope change answers and errors, as on the server', async () => {
  const plain = await host.call('GET', STATUS);
  expect([plain.text, plain.headers['content-type']]).toEqual([
    '{"status":"NOT_SYNCED"}',
    'application/json',
  ]);
  const both = await host.call('GET', `${STATUS}?pretty=true&envelope=true`);
  const enveloped = { content: { status: 'NOT_SYNCED' }, status: 200 };
  expect(both.text).toBe(JSON.stringify(enveloped, null, 2));
  const head = await host.call('HEAD', STATUS);
  expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', '23']);
  const error = await host.call('DELETE', `${LINK}?envelope=true`);
  expect(JSON.parse(error.text)).toMatchObject({ status: 404, content: { error: 404 } });
});

test('bytes that are no HTTP are told so', async () => {
  const socket = connect(Number(new URL(host.url).port), '127.0.0.1');
  socket.end('nonsense\r\n\r\n');
  const answer = await text(socket);
  expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
  expect(answer).toContain('"errorCode":"VALIDATION_ERROR"');
});

test('an expectation that HTTP does not know is ignored, as on the server', async () => {
  const { status, text: body } = await send(host.url + STATUS, 'GET', {
    headers: { expect: 'the unexpected' },
  });
  expect([status, body]).toEqual([401, UNAUTHORIZED_BODY]);
});

test('whatever comes with good credentials, the answer is none of 5xx, and in shape', async () => {
  const part = fc.oneof(
    fc.constantFrom(ORG, 'liveExport', 'migrationLink', 'status', '..', ''),
    fc.string(),
  );
  const target = fc.oneof(
    fc.constantFrom(LINK, STATUS),
    fc.array(part, { maxLength: 6 }).map((parts) => `/${parts.map(encodeURIComponent).join('/')}`),
  );
  const query = fc.oneof(
    fc.constant(''),
    fc.webQueryParameters().map((text) => `?${text}`),
    fc.constantFrom('?envelope=true', '?pretty=%00', '?envelope=x&envelope=true'),
  );
  const body = fc.oneof(
    fc.constant(undefined),
    fc.json(),
    fc.string({ maxLength: 50 }),
    fc.record({
      linkToken: fc.oneof(
        fc.jsonValue(),
        fc.base64String().map((t) => `lslt_${t}`),
      ),
    }),
  );
  const type = fc.constantFrom(
    'application/json',
    'text/plain',
    'x',
    'application/json; charset=x',
  );
  const method = fc.constantFrom('POST', 'POST', 'DELETE', 'GET', 'PUT', 'HEAD', 'OPTIONS');
  await fc.assert(
    fc.asyncProperty(
      method,
      target,
      query,
      body,
      type,
      async (verb, path, search, given, media) => {
        const headers = { 'content-type': media };
        const call = verb === 'GET' || verb === 'HEAD' ? {} : { body: given, headers };
        const answer = await host.call(verb, path + search, call);
        expect(answer.status).toBeLessThan(500);
        if (answer.status >= 400 && verb !== 'HEAD') {
          expect(answer.text).toMatch(/"errorCode" ?: ?"[A-Z_]+"/);
          expect(answer.text).not.toMatch(/node_modules|\.ts:/);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('clients that send nothing, or half a request, do not keep a host from stopping', async () => {
  const stopping = await startAdminHost({ closeGraceMs: 50 });
  const open = await Promise.all(
    ['', 'GET / HTTP/1.1\r\nHost'].map(async (sent) => {
      const socket = connect(Number(new URL(stopping.url).port), '127.0.0.1');
      socket.on('error', () => undefined).resume();
      await once(socket, 'connect');
      socket.write(sent);
      return socket;
    }),
  );
  await stopping[Symbol.asyncDispose]();
  for (const socket of open) socket.destroy();
});

test('whoever sends nothing, or a header that does not end, is cut, and others are answered', async () => {
  await using guarded = await startAdminHost({ headersTimeoutMs: 1500 });
  const open = await Promise.all(
    ['', `GET ${STATUS} HTTP/1.1\r\nHost: x\r\n`].map(async (sent) => {
      const socket = connect(Number(new URL(guarded.url).port), '127.0.0.1');
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      socket.write(sent);
      return socket;
    }),
  );
  const trickle = setInterval(() => open[1]?.write('X-A: 1\r\n'), 50);
  try {
    const [silent, slow] = await Promise.all(open.map((socket) => text(socket)));
    expect(silent === '' || silent?.startsWith('HTTP/1.1 408')).toBe(true);
    expect(slow).toMatch(/^HTTP\/1\.1 408 /);
  } finally {
    clearInterval(trickle);
  }
  expect((await guarded.call('GET', STATUS)).status).toBe(200);
});
