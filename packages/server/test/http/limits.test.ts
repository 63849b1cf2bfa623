import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startServer as startProcess } from '@linkspan/testkit/processes.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { initOrganization, type InitResult } from '../../src/init.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import { TestHost } from '../gateway/push.ts';
import { apiClient, send, textOf } from '../support/api.ts';

const MANY = 10_000;
const MIB = 1024 * 1024;
const LIVE = '/api/linkspan/v1/live';

/** Files that this process, and the server beside it, may open; 0 where the system does not say. */
function fileLimit(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(limits)?.[1] ?? 0);
  } catch {
    return 0;
  }
}

let dataDirectory: string;
let made: InitResult;
let server: RunningServer | null = null;
beforeEach(async () => {
  dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-limits-'));
  made = await initOrganization({ dataDirectory, masterKeyFile: null }, 'Organization');
});
afterEach(async () => {
  await server?.close();
  server = null;
  rmSync(dataDirectory, { recursive: true });
});

async function start(flags: Readonly<Record<string, string>>, headersTimeoutMs: number) {
  const config = loadConfig({ dataDir: dataDirectory, port: '0', ...flags }, {});
  const log = makeLogger('silent');
  server = await startServer({ config, log, createGateway, headersTimeoutMs, closeGraceMs: 50 });
  return server.url;
}

async function open(url: string): Promise<Socket> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

test('whoever sends nothing, or a header that does not end, is cut, and others are answered', async () => {
  const url = await start({}, 1500);
  const silent = await open(url);
  const slow = await open(url);
  // A byte now and then, and never the empty line.
  slow.write(`GET ${LIVE} HTTP/1.1\r\nHost: x\r\n`);
  const trickle = setInterval(() => slow.write('X-A: 1\r\n'), 50);
  try {
    const [first, second] = await Promise.all([text(silent), text(slow)]);
    expect(first === '' || first.startsWith('HTTP/1.1 408')).toBe(true);
    expect(second).toMatch(/^HTTP\/1\.1 408 .*REQUEST_TIMEOUT/s);
  } finally {
    clearInterval(trickle);
  }
  expect((await send(url + LIVE, 'GET')).status).toBe(200);
});

test('headers that are too large are refused, however they come', async () => {
  const url = await start({}, 20_000);
  const socket = await open(url);
  socket.write(`GET ${LIVE} HTTP/1.1\r\nHost: x\r\n`);
  const answer = text(socket);
  for (let sent = 0; sent < 20 && socket.writable; sent++)
    socket.write(`X-${sent}: ${'a'.repeat(1024)}\r\n`);
  expect(await answer).toMatch(/^HTTP\/1\.1 431 /);
});

test('of more connections than are allowed the late ones are closed, until one is free', async () => {
  const url = await start({ maxConnections: '10' }, 20_000);
  const held = await Promise.all(Array.from({ length: 10 }, () => open(url)));
  const late = await open(url);
  expect(await text(late)).toBe('');
  held[0]?.destroy();
  await expect
    .poll(async () =>
      send(url + LIVE, 'GET').then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200);
  for (const socket of held) socket.destroy();
});

test('of one host a few long polls wait at once, and the others are answered at once', async () => {
  const url = await start({}, 20_000);
  const api = apiClient(url, made.apiKey);
  const tokens = `/api/atlas/v1.0/orgs/${made.organization.id}/liveMigrations/linkTokens`;
  const host = new TestHost(() => url);
  await host.register(textOf(await api.call('POST', tokens, { body: {} }), 'linkToken'));
  const first = await host.post('/work', { knownRevision: '', waitSeconds: 0 });
  const knownRevision = first.json['revision'];
  const gone = new AbortController();
  let waiting = 0;
  const polls = Array.from({ length: 60 }, async () => {
    waiting += 1;
    const body = { knownRevision, waitSeconds: 30 };
    const answer = await host.post('/work', body, {}, gone.signal).catch(() => null);
    waiting -= 1;
    return answer?.status ?? null;
  });
  await expect.poll(() => waiting, { timeout: 20_000 }).toBe(4);
  expect((await api.call('GET', '/api/atlas/v1.0/orgs')).status).toBe(200);
  gone.abort();
  const statuses = await Promise.all(polls);
  expect(statuses.filter((status) => status === 200)).toHaveLength(56);
});

const files = fileLimit();
const hasFiles = files >= MANY + 1000;

test.skipIf(!hasFiles)(
  hasFiles
    ? '10,000 idle connections: the server goes on answering, and its memory is bounded'
    : `10,000 idle connections: this system allows ${files} open files`,
  { timeout: 120_000 },
  async () => {
    await using process = await startProcess({
      args: ['--port', '0', '--data-dir', dataDirectory, '--log-level', 'error'],
    });
    const { url } = process.ready as { url: string };
    const api = apiClient(url, made.apiKey);
    expect((await api.call('GET', '/api/atlas/v1.0/orgs')).status).toBe(200);
    const before = await process.rssBytes();
    const sockets: Socket[] = [];
    for (let count = 0; count < MANY; count += 250) {
      sockets.push(...(await Promise.all(Array.from({ length: 250 }, () => open(url)))));
    }
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => api.call('GET', '/api/atlas/v1.0/orgs')),
    );
    for (const { status } of answers) expect(status).toBe(200);
    const growth = (await process.rssBytes()) - before;
    // 80 MiB where it was measured.
    expect(growth).toBeLessThan(400 * MIB);
    for (const socket of sockets) socket.destroy();
  },
);
