import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { zstdDecompressSync } from 'node:zlib';

import { splitSequence } from '@linkspan/contract/bson/raw.ts';
import { PUSH_ERRORS, type PushErrorCode } from '@linkspan/contract/push/errors.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import { MOST_OF_A_REASON } from '@linkspan/contract/push/session.ts';
import { PUSH_BASE, PUSH_VERSION, SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { Binary, deserialize, Double, Int32, serialize } from 'bson';
import { afterEach, beforeEach, expect, test } from 'vitest';

import {
  DigestCursorLostError,
  LinkRefusedError,
  MigrationEndedError,
  PushRefusedError,
} from '../../src/push/errors.ts';
import { PusherOverHttp } from '../../src/push/pusherOverHttp.ts';
import { PushTransport } from '../../src/push/transport.ts';

interface Seen {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

/** What the next requests for a path get; when none is left, the ordinary answer. */
type Misbehaviour = (response: ServerResponse) => void;

const HOST = { hostId: 'a'.repeat(24), hostSecret: 'b'.repeat(64) };
const MIGRATION = 'c'.repeat(24);
const PROGRESS: Progress = {
  phase: 'TAILING',
  lagSeconds: 0,
  readyForCutover: false,
  documentsCopied: 1,
  documentsTotal: 1,
  bytesCopied: 1,
  bytesTotal: 1,
  keysPending: 0,
  documentsFlushed: 0,
  waitingFor: null,
  warnings: [],
  collections: [],
};
const WRITTEN = { written: 1, duplicates: 0, failures: [] };

let seen: Seen[];
let misbehave: Map<string, Misbehaviour[]>;
let sessions: number;
let close: () => Promise<void>;
let transport: PushTransport;
let pusher: PusherOverHttp;
const { signal } = new AbortController();

beforeEach(async () => {
  seen = [];
  misbehave = new Map();
  sessions = 0;
  const server = createServer((request, response) => {
    void serve(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  transport = new PushTransport(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  pusher = new PusherOverHttp(transport, HOST, MIGRATION);
  close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
});

afterEach(async () => {
  await pusher.close();
  await transport[Symbol.asyncDispose]();
  await close();
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  // A request that was cut has no body to read.
  const body = await buffer(request).catch(() => null);
  if (body === null) return;
  const path = (request.url ?? '').slice(PUSH_BASE.length);
  seen.push({ path, headers: request.headers, body });
  const last = path.split('/').at(-1) ?? '';
  const next = misbehave.get(last)?.shift();
  if (next === undefined) answer(last, response);
  else next(response);
}

function answer(path: string, response: ServerResponse): void {
  if (path === 'sessions') {
    sessions += 1;
    const sessionId = String(sessions).padStart(24, '0');
    json(response, { sessionId, sessionSecret: `secret${sessions}`, epoch: sessions });
  } else if (path === 'documents') {
    json(response, { ...WRITTEN, addedByANewerServer: true });
  } else {
    response.writeHead(204).end();
  }
}

function json(response: ServerResponse, body: object): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function refusal(errorCode: PushErrorCode, detail = 'the detail'): Misbehaviour {
  const { status } = PUSH_ERRORS[errorCode];
  return (response) => {
    const body = { detail, error: status, errorCode, parameters: null, reason: 'Reason' };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
}

const cut: Misbehaviour = (response) => response.destroy();
const proxyLostServer: Misbehaviour = (response) => response.writeHead(404).end('<html>no</html>');

function batch(lane: number, ...ids: number[]) {
  const documents = ids.map((_id) => serialize({ _id }));
  return { op: 'insert', db: 'd', coll: 'c', lane, documents } as const;
}

function headersOfBatches() {
  return seen
    .filter(({ path }) => path.endsWith('/documents'))
    .map(({ path, body }) => {
      const [header] = splitSequence(zstdDecompressSync(body));
      const { lane, seq } = deserialize(header ?? Buffer.alloc(0));
      return { session: Number(path.split('/')[2]), lane: Number(lane), seq: Number(seq) };
    });
}

test('a batch goes as one BSON sequence, zstd, with host and session authenticated', async () => {
  expect(await pusher.pushDocuments(batch(3, 1, 2), signal)).toEqual(WRITTEN);
  const [open, push] = seen;
  expect(open?.path).toBe(`/migrations/${MIGRATION}/sessions`);
  expect(push?.headers).toMatchObject({
    authorization: `Bearer ${HOST.hostId}.${HOST.hostSecret}`,
    [SESSION_HEADER]: `${'1'.padStart(24, '0')}.secret1`,
    'content-encoding': 'zstd',
    'content-type': 'application/vnd.linkspan.bson-sequence',
    'linkspan-push-version': String(PUSH_VERSION),
  });
  const documents = splitSequence(zstdDecompressSync(push?.body ?? Buffer.alloc(0)));
  expect(documents.map((each) => deserialize(each))).toEqual([
    { op: 'insert', db: 'd', coll: 'c', lane: 3, seq: 1 },
    { _id: 1 },
    { _id: 2 },
  ]);
  expect(pusher.bytesSent).toBe(push?.body.length);
});

test('D13: cuts, 5xx, 429 and strange answers send the same batch again, under its number', async () => {
  misbehave.set('documents', [
    cut,
    refusal('DESTINATION_UNAVAILABLE'),
    (response) => response.writeHead(429).end(),
    proxyLostServer,
    (response) => response.writeHead(200).end('{"hello":"world"}'),
  ]);
  await pusher.pushDocuments(batch(0, 1), signal);
  await pusher.pushDocuments(batch(0, 2), signal);
  await pusher.pushDocuments(batch(1, 3), signal);
  expect(headersOfBatches().map(({ lane, seq }) => [lane, seq])).toEqual([
    ...Array.from({ length: 6 }, () => [0, 1]),
    [0, 2],
    [1, 1],
  ]);
  expect(sessions).toBe(1);
});

test('it says why it is waiting, and no longer once it goes on', async () => {
  const noticed = Promise.withResolvers<string | null>();
  misbehave.set('documents', [
    refusal('DESTINATION_UNAVAILABLE', 'dst.example:27017 has no primary'),
    (response) => {
      noticed.resolve(pusher.waiting);
      answer('documents', response);
    },
  ]);
  await pusher.pushDocuments(batch(0, 1), signal);
  expect(await noticed.promise).toBe('dst.example:27017 has no primary');
  expect(pusher.waiting).toBeNull();
});

test('a lost session is opened again once for all callers, and lanes count anew', async () => {
  await pusher.pushDocuments(batch(0, 1), signal);
  const unknown = refusal('SESSION_UNKNOWN');
  misbehave.set('documents', [unknown, unknown, unknown]);
  misbehave.set('sessions', [cut, refusal('STORE_UNAVAILABLE')]);
  await Promise.all([0, 1, 2].map((lane) => pusher.pushDocuments(batch(lane, lane), signal)));
  expect(sessions).toBe(2);
  const resent = headersOfBatches().filter(({ session }) => session === 2);
  expect(resent.map(({ lane, seq }) => [lane, seq]).toSorted(([a = 0], [b = 0]) => a - b)).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ]);
});

test('a session that the server ended while it was being opened is opened again', async () => {
  const unknown = refusal('SESSION_UNKNOWN');
  misbehave.set('documents', [unknown]);
  misbehave.set('sessions', [unknown, (response) => answer('sessions', response), unknown]);
  expect(await pusher.pushDocuments(batch(0, 1), signal)).toEqual(WRITTEN);
  expect(sessions).toBe(2);
  expect(seen.filter(({ path }) => path.endsWith('/sessions'))).toHaveLength(4);
});

test('I5: one that was fenced asks whether somebody pushes until it has a session, not after that', async () => {
  const careful = new PusherOverHttp(transport, HOST, MIGRATION, { unlessInUse: true });
  await using _closed = { [Symbol.asyncDispose]: () => careful.close() };
  misbehave.set('documents', [refusal('SESSION_UNKNOWN')]);
  misbehave.set('sessions', [refusal('DESTINATION_UNAVAILABLE')]);
  await careful.pushDocuments(batch(0, 1), signal);
  const openings = seen.filter(({ path }) => path.endsWith('/sessions'));
  expect(openings.map(({ body }) => JSON.parse(body.toString()) as unknown)).toEqual([
    { unlessInUse: true },
    { unlessInUse: true },
    // What reported last is itself.
    {},
  ]);
});

test('I5: one that was fenced does not report before it has a session: it would be taken for the one in use', async () => {
  const careful = new PusherOverHttp(transport, HOST, MIGRATION, { unlessInUse: true });
  await using _closed = { [Symbol.asyncDispose]: () => careful.close() };
  misbehave.set('sessions', [refusal('DESTINATION_UNAVAILABLE')]);
  await careful.report(PROGRESS, signal);
  const paths = seen.map(({ path }) => path.split('/').at(-1));
  expect(paths).toEqual(['sessions', 'sessions', 'report']);
});

test.each([
  ['LINK_REFUSED', LinkRefusedError],
  ['SESSION_FENCED', MigrationEndedError],
  ['MIGRATION_NOT_ACTIVE', MigrationEndedError],
] as const)('%s is final: nothing is sent any more', async (code, type) => {
  misbehave.set('documents', [refusal(code)]);
  await expect(pusher.pushDocuments(batch(0, 1), signal)).rejects.toThrow(type);
  const before = seen.length;
  await expect(pusher.pushDocuments(batch(1, 1), signal)).rejects.toThrow(type);
  await expect(pusher.fail('reason', signal)).rejects.toThrow(type);
  expect(seen).toHaveLength(before);
});

test('a link that is refused when the session is opened ends every caller', async () => {
  misbehave.set('sessions', [refusal('LINK_REFUSED')]);
  const calls = [pusher.open(signal), pusher.pushDocuments(batch(0, 1), signal)];
  for (const result of await Promise.allSettled(calls)) {
    expect(result).toMatchObject({ reason: expect.any(LinkRefusedError) });
  }
});

test('other refusals reject with their code, and the pusher goes on', async () => {
  misbehave.set('structure', [refusal('STRUCTURE_REFUSED', 'index x_1: unknown option')]);
  const request = { action: 'drop', db: 'd', coll: 'c' } as const;
  const refused = pusher.structure(request, signal);
  await expect(refused).rejects.toThrow(PushRefusedError);
  await expect(refused).rejects.toMatchObject({
    code: 'STRUCTURE_REFUSED',
    message: 'index x_1: unknown option',
  });
  expect(await pusher.pushDocuments(batch(0, 1), signal)).toEqual(WRITTEN);
});

test('D13: structural requests keep their number when sent again; what goes at once has lanes of its own', async () => {
  const structural: Misbehaviour = (response) => json(response, { changes: [] });
  const release = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  misbehave.set('structure', [
    cut,
    refusal('DESTINATION_UNAVAILABLE'),
    structural,
    (response) => {
      arrived.resolve();
      void release.promise.then(() => structural(response));
    },
    structural,
    structural,
    refusal('SESSION_UNKNOWN'),
    structural,
  ]);
  misbehave.set('structures', [(response) => json(response, { results: [] })]);
  const drop = () => pusher.structure({ action: 'drop', db: 'd', coll: 'c' }, signal);
  await drop();
  const long = drop();
  await arrived.promise;
  await drop();
  release.resolve();
  await long;
  await pusher.structures([], signal);
  await drop();
  await drop();
  const numbers = seen
    .filter(({ path }) => /\/structures?$/.test(path))
    .map(({ path, body }) => {
      const { lane, seq } = deserialize(body);
      return [Number(path.split('/')[2]), Number(lane), Number(seq)];
    });
  expect(numbers).toEqual([
    ...Array.from({ length: 3 }, () => [1, 0, 1]),
    [1, 0, 2],
    [1, 1, 1],
    [1, 0, 3],
    [1, 0, 4],
    [1, 0, 5],
    [2, 0, 1],
  ]);
});

test('digests carry keys as raw bytes, listings keep the types of values', async () => {
  const key = serialize({ _id: new Int32(1) });
  const documents = [{ key: new Binary(key), hash: new Binary(Buffer.alloc(16, 1)) }];
  misbehave.set('digest', [
    (response) => response.end(serialize({ cursor: null, count: 1, equal: false, documents })),
    refusal('DIGEST_CURSOR_LOST'),
  ]);
  const request = { db: 'd', coll: 'c', cursor: null, limit: 10, expect: Buffer.alloc(16) };
  const reply = await pusher.digest(request, signal);
  expect(reply).toMatchObject({ cursor: null, count: 1, equal: false });
  expect(Buffer.from(reply.documents[0]?.key ?? [])).toEqual(Buffer.from(key));
  expect(Buffer.from(reply.documents[0]?.hash ?? [])).toEqual(Buffer.alloc(16, 1));
  await expect(pusher.digest(request, signal)).rejects.toThrow(DigestCursorLostError);

  const options = { size: new Int32(1), max: new Double(1) };
  const listing = {
    namespaces: [{ db: 'd', coll: 'c', type: 'collection', options, indexes: [] }],
  };
  misbehave.set('listing', [(response) => response.end(serialize(listing))]);
  expect(await pusher.listing(signal)).toEqual(listing);
});

test('a call ends with the reason of its signal while it waits to try again', async () => {
  const stop = new AbortController();
  misbehave.set('documents', [
    (response) => {
      cut(response);
      stop.abort(new Error('stopped'));
    },
  ]);
  await expect(pusher.pushDocuments(batch(0, 1), stop.signal)).rejects.toThrow('stopped');
});

test('close never rejects, also when the server is gone, and ends calls under way', async () => {
  await pusher.open(signal);
  const reached = Promise.withResolvers<void>();
  misbehave.set('documents', [() => reached.resolve()]);
  const call = pusher.pushDocuments(batch(0, 1), signal);
  const ended = expect(call).rejects.toThrow(MigrationEndedError);
  await reached.promise;
  misbehave.set('close', [cut]);
  await pusher.close();
  await ended;
});

test('tells a reason that is too long as far as it goes', async () => {
  await pusher.cutoverFailed({ cutoverAttempt: 1, reason: 'short' }, signal);
  await pusher.cutoverFailed({ cutoverAttempt: 2, reason: 'x'.repeat(5000) }, signal);
  await pusher.fail('x'.repeat(5000), signal);
  const told = seen
    .filter(({ path }) => /cutoverFailed|fail/.test(path))
    .map(({ body }) => JSON.parse(body.toString()) as { reason: string });
  const cut = `${'x'.repeat(MOST_OF_A_REASON - 1)}…`;
  expect(told).toEqual([
    { cutoverAttempt: 1, reason: 'short' },
    { cutoverAttempt: 2, reason: cut },
    { reason: cut },
  ]);
});
