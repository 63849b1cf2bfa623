import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { type Proxy, startProxy } from '@linkspan/testkit/proxy.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PushTransport, TransientPushError } from '../../src/push/transport.ts';

/** Far more than what the buffers of sockets take at once. */
const BODY = Buffer.alloc(32 * 1024 * 1024, 'x');
const LIMIT_MS = 3000;
const BYTES_PER_SECOND = 6_000_000;

let server: Server;
let proxy: Proxy;
let transport: PushTransport;

beforeEach(async () => {
  server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', ({ length }: Buffer) => {
      bytes += length;
    });
    request.on('error', () => undefined);
    request.on('end', () => response.end(String(bytes)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startProxy((server.address() as AddressInfo).port);
  transport = new PushTransport(`http://127.0.0.1:${proxy.port}`);
});

afterEach(async () => {
  await transport[Symbol.asyncDispose]();
  await proxy[Symbol.asyncDispose]();
  server.close();
});

const post = (signal = new AbortController().signal): Promise<Buffer> =>
  transport.post('/documents', { headers: {}, body: BODY, timeoutMs: LIMIT_MS, signal });

test('I4: a batch that takes longer than the time limit is waited for as long as it moves', async () => {
  proxy.slowDown(BYTES_PER_SECOND);
  const started = performance.now();
  expect(String(await post())).toBe(String(BODY.length));
  expect(performance.now() - started).toBeGreaterThan(1.5 * LIMIT_MS);
});

test('one that stands still is given up, to be sent again', async () => {
  proxy.slowDown(BYTES_PER_SECOND);
  const answer = post();
  const given = expect(answer).rejects.toThrow(TransientPushError);
  await delay(100);
  proxy.freeze();
  await given;
  await proxy.heal();
  expect(String(await post())).toBe(String(BODY.length));
});
