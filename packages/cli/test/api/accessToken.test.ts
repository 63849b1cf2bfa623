import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { ApiClient } from '../../src/api/client.ts';

const CLIENT = { clientId: 'mdb_sa_id_1', clientSecret: 'mdb_sa_sk_a:b c' };
const BASIC = `Basic ${Buffer.from('mdb_sa_id_1:mdb_sa_sk_a%3Ab%20c').toString('base64')}`;

let seen: string[];
let issued: number;
let life: number;
/** What the next requests for a token are answered with, instead of a token. */
let refusals: { status: number; headers?: Record<string, string>; body: object }[];
let live: Set<string>;
let baseUrl: string;
let client: ApiClient;
let close: () => Promise<void>;

beforeEach(async () => {
  [seen, issued, life, refusals, live] = [[], 0, 3600, [], new Set()];
  const server = createServer((request, response) => void serve(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = new ApiClient(baseUrl, CLIENT);
  close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
});
afterEach(() => close());

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const { authorization = '' } = request.headers;
  const json = { 'content-type': 'application/json' };
  seen.push(`${request.method} ${request.url} ${body}`.trim());
  if (request.url === '/api/oauth/token') {
    expect(authorization).toBe(BASIC);
    const refusal = refusals.shift();
    if (refusal !== undefined) {
      response
        .writeHead(refusal.status, { ...json, ...refusal.headers })
        .end(JSON.stringify(refusal.body));
      return;
    }
    issued += 1;
    live.add(`t${issued}`);
    const token = { access_token: `t${issued}`, expires_in: life, token_type: 'Bearer' };
    response.writeHead(200, json).end(JSON.stringify(token));
  } else if (request.url === '/api/oauth/revoke') {
    expect(authorization).toBe(BASIC);
    response.writeHead(200).end();
  } else if (live.has(authorization.replace('Bearer ', ''))) {
    response.writeHead(200, json).end('{}');
  } else {
    response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
  }
}

const TOKEN = 'POST /api/oauth/token grant_type=client_credentials';

test('one token serves every call, and is revoked at the end', async () => {
  await client.call('GET', '/orgs');
  await client.call('DELETE', '/orgs/1');
  await client[Symbol.asyncDispose]();
  expect(seen).toEqual([TOKEN, 'GET /orgs', 'DELETE /orgs/1', 'POST /api/oauth/revoke token=t1']);
});

test('a token that ended before its time, or is about to end, is replaced', async () => {
  await client.call('GET', '/orgs');
  live.clear();
  life = 30;
  await client.call('GET', '/orgs');
  await client.call('GET', '/orgs');
  expect(seen).toEqual([TOKEN, 'GET /orgs', 'GET /orgs', TOKEN, 'GET /orgs', TOKEN, 'GET /orgs']);
  await client[Symbol.asyncDispose]();
});

test('where tokens are limited, the client waits for its turn once', async () => {
  const limited = {
    status: 429,
    headers: { 'retry-after': '0' },
    body: { error: 'rate_limited', error_description: 'Too many.' },
  };
  refusals = [limited];
  expect(await client.send('GET', '/orgs')).toMatchObject({ status: 200 });
  await client[Symbol.asyncDispose]();
  refusals = [limited, limited];
  await using other = new ApiClient(baseUrl, CLIENT);
  await expect(other.send('GET', '/orgs')).rejects.toThrow('HTTP 429');
});

test('a refusal names URL, error and description, and no secret', async () => {
  refusals = [
    {
      status: 401,
      body: { error: 'invalid_client', error_description: 'Invalid credentials provided.' },
    },
  ];
  await expect(client.call('GET', '/orgs')).rejects.toThrow(
    `${baseUrl}/api/oauth/token POST: HTTP 401 (Error code: "invalid_client") Detail: Invalid credentials provided.`,
  );
  await client[Symbol.asyncDispose]();
  expect(seen).toEqual([TOKEN]);
});
