import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { text as readAll } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Proxy, startProxy } from '../src/proxy.ts';

/** Sends back what it receives, in capitals. */
let proxy: Proxy;
let heard: string[];
let stop: () => void;

beforeEach(async () => {
  heard = [];
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data) => {
      heard.push(String(data));
      socket.write(String(data).toUpperCase());
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await startProxy(portOf(server));
  stop = () => server.close();
});

afterEach(async () => {
  await proxy[Symbol.asyncDispose]();
  stop();
});

async function client(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

async function ask(socket: Socket, text: string): Promise<string> {
  socket.write(text);
  const [data] = (await once(socket, 'data')) as [Buffer];
  return String(data);
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

test('passes on what comes, in both directions', async () => {
  const socket = await client();
  expect(await ask(socket, 'abc')).toBe('ABC');
  expect(proxy.passed).toEqual({ up: 3, down: 3 });
  socket.destroy();
});

test('cuts what is open, and lets new connections pass', async () => {
  const socket = await client();
  await ask(socket, 'abc');
  const gone = closed(socket);
  proxy.cut();
  await gone;
  expect(await ask(await client(), 'd')).toBe('D');
});

test('resets a connection in the middle of what it sends', async () => {
  const socket = await client();
  proxy.resetAfter('up', 3);
  const gone = closed(socket);
  socket.write('abcdef');
  await gone;
  expect(proxy.passed.up).toBe(3);
  expect(await ask(await client(), 'ghijkl')).toBe('GHIJKL');
});

test('an answer can be lost after the request was carried out', async () => {
  const socket = await client();
  proxy.resetAfter('down', 0);
  socket.write('abc');
  expect(await readAll(socket).catch(() => 'reset')).not.toBe('ABC');
  expect(heard).toEqual(['abc']);
});

test('holds everything back while frozen, and delivers it then', async () => {
  const socket = await client();
  await ask(socket, 'a');
  proxy.freeze();
  const answer = ask(socket, 'b');
  const late = await client();
  expect(heard).toEqual(['a']);
  await proxy.heal();
  expect(await answer).toBe('B');
  expect(await ask(late, 'c')).toBe('C');
});

test('delivers what an abandoned client had sent after what another sent since', async () => {
  const socket = await client();
  await ask(socket, 'a');
  proxy.freeze();
  socket.write('late');
  while (proxy.held < 4) await new Promise((resolve) => setTimeout(resolve, 1));
  proxy.abandon();
  await closed(socket);
  expect(heard).toEqual(['a']);
  await proxy.heal();
  expect(await ask(await client(), 'b')).toBe('B');
  await expect.poll(() => heard).toContain('late');
});

test('a server in the midst of a large answer learns that its client has gone', async () => {
  const gone = Promise.withResolvers<void>();
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    void closed(socket).then(gone.resolve);
    socket.resume();
    for (let part = 0; part < 64; part += 1) socket.write(Buffer.alloc(1024 * 1024));
    socket.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  await using between = await startProxy(portOf(server));
  const socket = connect(between.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.pause();
  await expect.poll(() => between.held).toBeGreaterThan(0);
  socket.resetAndDestroy();
  await gone.promise;
  server.close();
});

test('refuses, and takes connections again on the same port', async () => {
  const socket = await client();
  await ask(socket, 'a');
  const gone = closed(socket);
  await proxy.refuse();
  await gone;
  const refused = connect(proxy.port, '127.0.0.1');
  const [error] = (await once(refused, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
  await proxy.heal();
  expect(await ask(await client(), 'b')).toBe('B');
});

test('slows down to a rate', async () => {
  const socket = await client();
  proxy.slowDown(1000);
  const started = performance.now();
  let received = 0;
  socket.write('x'.repeat(200));
  while (received < 200) {
    const [data] = (await once(socket, 'data')) as [Buffer];
    received += data.length;
  }
  expect(performance.now() - started).toBeGreaterThan(150);
  socket.destroy();
});
