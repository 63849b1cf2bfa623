import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { ApiClient } from '../../src/api/client.ts';

const KEY = { publicKey: 'abcdefgh', privateKey: '01234567-89ab-cdef-0123-456789abcdef' };
const REALM = 'MMS Public API';
const NOT_FOUND = { detail: 'None.', error: 404, errorCode: 'ORG_NOT_FOUND', reason: 'Not Found' };

interface Seen {
  readonly target: string;
  readonly accept: string | undefined;
  readonly contentType: string | undefined;
  readonly body: string;
  readonly nonceCount: string | null;
}

let seen: Seen[];
let nonce: string;
let answer: (response: ServerResponse) => void;
let baseUrl: string;
let close: () => Promise<void>;
let client: ApiClient;

beforeEach(async () => {
  seen = [];
  nonce = 'first+/nonce=';
  answer = (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new ApiClient(baseUrl, KEY);
  close = async () => {
    await client[Symbol.asyncDispose]();
    server.close();
    await once(server, 'close');
  };
});

afterEach(() => close());

/** Checks the response as a server does that knows HA1 only. */
async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const given = parseDigestParameters(request.headers.authorization ?? '');
  const target = request.url ?? '';
  seen.push({
    target,
    accept: request.headers.accept,
    contentType: request.headers['content-type'],
    body,
    nonceCount: given?.get('nc') ?? null,
  });
  const expected =
    given === null
      ? null
      : digestResponse({
          ha1: digestHa1(KEY.publicKey, REALM, KEY.privateKey),
          nonce: given.get('nonce') ?? '',
          nonceCount: given.get('nc') ?? '',
          clientNonce: given.get('cnonce') ?? '',
          method: request.method ?? '',
          uri: target,
        });
  if (given?.get('response') === expected && given?.get('nonce') === nonce) {
    answer(response);
    return;
  }
  const challenge = `Digest realm="${REALM}", domain="", nonce="${nonce}", algorithm=MD5, qop="auth", stale=${given !== null}`;
  response.writeHead(401, { 'www-authenticate': challenge }).end();
}

test('a challenge is answered, its nonce kept, and an expired one replaced', async () => {
  expect(await client.send('GET', '/orgs')).toMatchObject({ status: 200, body: {} });
  await client.send('GET', '/orgs', { query: { name: 'a b&c', none: undefined } });
  nonce = 'second';
  expect(await client.send('DELETE', '/orgs')).toMatchObject({ status: 200 });
  expect(seen.map(({ target, nonceCount }) => [target, nonceCount])).toEqual([
    ['/orgs', null],
    ['/orgs', '00000001'],
    ['/orgs?name=a+b%26c', '00000002'],
    ['/orgs', '00000003'],
    ['/orgs', '00000001'],
  ]);
});

test('a version goes into Accept and, with a body, Content-Type', async () => {
  await client.send('POST', '/x', { version: '2024-05-30', body: { a: 1 } });
  expect(seen.at(-1)).toMatchObject({
    accept: 'application/vnd.atlas.2024-05-30+json',
    contentType: 'application/vnd.atlas.2024-05-30+json',
    body: '{"a":1}',
  });
  await client.send('PUT', '/x', { version: '2023-01-01' });
  expect(seen.at(-1)).toMatchObject({ contentType: undefined, body: '' });
});

test('wrong credentials come back as 401, after one try', async () => {
  await using stranger = new ApiClient(baseUrl, { ...KEY, privateKey: 'wrong' });
  expect(await stranger.send('GET', '/orgs')).toMatchObject({ status: 401 });
  expect(seen).toHaveLength(2);
});

test('an error names URL, method, status, code and detail', async () => {
  answer = (response) =>
    response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(NOT_FOUND));
  await expect(client.call('GET', '/orgs/1')).rejects.toThrow(
    `${baseUrl}/orgs/1 GET: HTTP 404 Not Found (Error code: "ORG_NOT_FOUND") Detail: None.`,
  );
});

test('a server that is not there is named with the reason', async () => {
  await using lost = new ApiClient('http://127.0.0.1:1', KEY);
  await expect(lost.call('GET', '/orgs')).rejects.toThrow(
    'http://127.0.0.1:1/orgs: no answer: connection refused',
  );
});
