import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';

import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import type { RegisterHost } from '@linkspan/contract/push/host.ts';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';

import { establishedLink, establishLink, tokenMissing } from '../../src/link/establish.ts';
import { StateDirectory } from '../../src/link/stateDirectory.ts';
import { LinkRefusedError } from '../../src/push/errors.ts';

const ORG = 'a'.repeat(24);
const LINKED = { orgId: ORG, linkId: 'b'.repeat(24), heartbeatSeconds: 7 };
const REFUSAL = { errorCode: 'LINK_TOKEN_REFUSED', detail: 'the link-token was used', error: 401 };
const { signal } = new AbortController();

let path: string;
let registered: RegisterHost[];
/** One a request: null cuts the connection. */
let answers: ([status: number, body: object] | null)[];
let endpoint: string;
let close: () => Promise<void>;

beforeEach(async () => {
  path = mkdtempSync(join(tmpdir(), 'linkspan-link-'));
  registered = [];
  answers = [];
  const server = createServer((request, response) => void serve(request, response)).listen(
    0,
    '127.0.0.1',
  );
  await once(server, 'listening');
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  registered.push((await json(request)) as RegisterHost);
  const answer = answers.shift();
  if (answer === null) {
    response.destroy();
    return;
  }
  const [status, body] = answer ?? [200, LINKED];
  response.writeHead(status).end(JSON.stringify(body));
}

afterEach(async () => {
  await close();
  rmSync(path, { recursive: true });
});

function tokenFor(server: string, privateKey = 'private'): string {
  return encodeLinkToken({ v: 1, endpoint: server, orgId: ORG, publicKey: 'public', privateKey });
}

async function establish(token: string | null) {
  using directory = new StateDirectory(path);
  const known = establishedLink(directory);
  if (known !== null) return known;
  if (token === null) throw tokenMissing(directory);
  const log = pino({ level: 'silent' });
  const host = { hostname: 'host1', agentVersion: '1' };
  return await establishLink(token, { directory, log, ...host }, signal);
}

test('the identity is durable before the token is presented, and the same after a loss', async () => {
  answers = [null, [503, {}]];
  const link = await establish(tokenFor(endpoint));
  expect(link).toMatchObject({ ...LINKED, endpoint });
  expect(new Set(registered.map(({ hostId, hostSecret }) => hostId + hostSecret)).size).toBe(1);
  expect(registered).toHaveLength(3);
  expect(registered[0]?.hostSecret).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(statSync(join(path, 'link.json')).mode & 0o777).toBe(0o600);
});

test('a linked host needs no token again', async () => {
  const first = await establish(tokenFor(endpoint));
  expect(await establish(null)).toEqual(first);
  expect(registered).toHaveLength(1);
});

test('a refused token is not presented again; a new one makes a new identity', async () => {
  answers = [[401, REFUSAL]];
  await expect(establish(tokenFor(endpoint))).rejects.toThrow(LinkRefusedError);
  expect(readFileSync(join(path, 'link.json'), 'utf8')).not.toContain(registered[0]?.hostSecret);
  await expect(establish(tokenFor(endpoint))).rejects.toThrow('ask for a new one');
  await expect(establish(null)).rejects.toThrow(LinkRefusedError);
  expect(registered).toHaveLength(1);
  await establish(tokenFor(endpoint, 'another'));
  expect(registered[1]?.hostId).not.toBe(registered[0]?.hostId);
});

test('C5: https is demanded except on loopback, before anything is sent', async () => {
  await expect(establish(tokenFor('http://linkspan.example.com'))).rejects.toThrow(
    'https is demanded',
  );
  await expect(establish(tokenFor('http://127.0.0.1.example.com'))).rejects.toThrow(
    'https is demanded',
  );
});

test('a missing or damaged token is named, and no part of it', async () => {
  await expect(establish(null)).rejects.toThrow('no link-token was given');
  await expect(establish('lslt_c2VjcmV0')).rejects.toThrow(/^the link-token is damaged/);
});

test('two agents on one state directory: the second says what to do', () => {
  using _first = new StateDirectory(path);
  expect(() => new StateDirectory(path)).toThrow('another linkspan agent uses');
});
