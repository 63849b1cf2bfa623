import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import Fastify, { type FastifyInstance } from 'fastify';
import { afterEach, expect, test } from 'vitest';
import { watchArrival } from '../../src/gateway/body.ts';

let app: FastifyInstance;
let port: number;

/** @param standstillMs after which a body is given up */
async function listen(standstillMs: number): Promise<void> {
  const arrivals = new WeakMap<object, () => void>();
  app = Fastify();
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request) => {
    arrivals.set(request, watchArrival(request, standstillMs));
  });
  app.addHook('preValidation', async (request) => arrivals.get(request)?.());
  app.post('/', async (request) => {
    // A long poll and the opening of a session take longer than that.
    await delay(1.25 * standstillMs);
    return `${String(request.body).length}`;
  });
  await app.listen({ port: 0, host: '127.0.0.1' });
  port = (app.server.address() as AddressInfo).port;
}

afterEach(() => app.close());

async function sendPieces(pieces: number, pauseMs: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  let answer = '';
  socket.on('data', (data) => {
    answer += String(data);
    if (answer.includes('\r\n\r\n')) socket.end();
  });
  const closed = once(socket, 'close');
  socket.write('POST / HTTP/1.1\r\nhost: a\r\ncontent-type: a/b\r\ncontent-length: 50\r\n\r\n');
  for (let piece = 0; piece < pieces; piece += 1) {
    socket.write('x'.repeat(10));
    await delay(pauseMs);
  }
  await closed;
  return answer;
}

test('I6: a body that stands still is given up, and with it what was set aside for it', async () => {
  await listen(200);
  expect(await sendPieces(3, 0)).toBe('');
});

test('one that is slow is not, nor is an answer that takes long', async () => {
  // The sender is in the same process, which may stand still for a while itself.
  await listen(2000);
  expect(await sendPieces(5, 500)).toContain('200 OK');
});
