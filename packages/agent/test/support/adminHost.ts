import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { json, text } from 'node:stream/consumers';

import {
  digestHa1,
  digestResponse,
  parseDigestParameters,
} from '@linkspan/contract/api/digestAuthentication.ts';
import { encodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { PUSH_BASE } from '@linkspan/contract/push/version.ts';
import { REALM } from '@linkspan/contract/serving/digest.ts';
import { pino } from 'pino';

import { startAdminPort } from '../../src/admin/port.ts';
import type { Established } from '../../src/link/establish.ts';
import { HostLink, type HostLinkOptions } from '../../src/link/hostLink.ts';
import { StateDirectory } from '../../src/link/stateDirectory.ts';

export const ORG = '5f00000000000000000000aa';
export const KEY = { publicKey: 'abcdefgh', privateKey: 'b3a9e7f0-1111-4222-8333-444455556666' };
export const LINK = `/api/public/v1.0/orgs/${ORG}/liveExport/migrationLink`;
export const STATUS = `${LINK}/status`;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
}

export interface Call {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly key?: typeof KEY;
}

/** One request over a connection of its own, as it is. */
export async function send(
  url: string,
  method: string,
  { body, headers = {} }: Call = {},
): Promise<Answer> {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const call = request(url, {
    method,
    agent: false,
    headers: {
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
  });
  call.end(payload);
  const [answer] = (await once(call, 'response')) as [IncomingMessage];
  return { status: answer.statusCode ?? 0, headers: answer.headers, text: await text(answer) };
}

/** The `Authorization` header that answers a challenge. */
export function answerTo(challenge: string, key: typeof KEY, method: string, uri: string): string {
  const nonce = parseDigestParameters(challenge)?.get('nonce') ?? '';
  const clientNonce = randomBytes(8).toString('hex');
  const ha1 = digestHa1(key.publicKey, REALM, key.privateKey);
  const nonceCount = '00000001';
  const response = digestResponse({ ha1, nonce, nonceCount, clientNonce, method, uri });
  return `Digest username="${key.publicKey}", realm="${REALM}", nonce="${nonce}", uri="${uri}", algorithm=MD5, response="${response}", qop=auth, nc=${nonceCount}, cnonce="${clientNonce}"`;
}

/** A push request that came to the stand-in for the server. */
export interface Pushed {
  readonly path: string;
  readonly authorization: string | undefined;
  readonly message: Readonly<Record<string, unknown>>;
}

/** Stands in for the server: the two messages that linking and unlinking send. */
export interface TestServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly pushed: Pushed[];
  /** Answers instead of the usual, by path; null cuts the connection. */
  readonly answers: Map<string, (request: Pushed) => Promise<[number, object] | null>>;
  token(name?: string): string;
}

export async function startTestServer(): Promise<TestServer> {
  const pushed: Pushed[] = [];
  const answers: TestServer['answers'] = new Map();
  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const message = (await json(incoming)) as Record<string, unknown>;
    const path = (incoming.url ?? '').slice(PUSH_BASE.length);
    const one = { path, authorization: incoming.headers.authorization, message };
    pushed.push(one);
    const linked = { orgId: ORG, linkId: 'c'.repeat(24), heartbeatSeconds: 1 };
    const usual: [number, object] = path === '/hosts' ? [200, linked] : [204, {}];
    const answer = await (answers.get(path)?.(one) ?? usual);
    if (answer === null) response.destroy();
    else response.writeHead(answer[0]).end(answer[0] === 204 ? '' : JSON.stringify(answer[1]));
  };
  const server = createServer((incoming, response) => void serve(incoming, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    endpoint,
    pushed,
    answers,
    token: (name = 'one') => tokenOf(endpoint, name),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export function tokenOf(endpoint: string, name: string): string {
  return encodeLinkToken({ v: 1, endpoint, orgId: ORG, publicKey: 'public', privateKey: name });
}

/** A host with an admin port, as the agent wires it, whose work only waits. */
export interface AdminHost extends AsyncDisposable {
  readonly url: string;
  readonly link: HostLink;
  /** With Digest. */
  call(method: string, target: string, call?: Call): Promise<Answer>;
  /** `SYNCED` or `NOT_SYNCED`. */
  status(): Promise<string>;
  /** What `link.json` holds, as text. */
  state(): string;
  readonly log: () => string;
  /** The state directory. */
  readonly path: string;
  /** The work of the link that is there. */
  readonly works: { readonly link: Established; readonly fail: (error: Error) => void }[];
  /** Settles when the host has ended, with its error if there was one. */
  readonly ended: Promise<Error | null>;
  /** Ends the host and leaves its state directory. */
  stop(): Promise<void>;
}

export interface AdminHostOptions extends Partial<HostLinkOptions> {
  readonly linkToken?: string;
  /** The state directory of an earlier one. */
  readonly path?: string;
  readonly closeGraceMs?: number;
  readonly headersTimeoutMs?: number;
}

export async function startAdminHost(options: AdminHostOptions = {}): Promise<AdminHost> {
  const path = options.path ?? mkdtempSync(join(tmpdir(), 'linkspan-admin-'));
  const lines: string[] = [];
  const log = pino(
    new Writable({
      write(chunk, _encoding, done) {
        lines.push(String(chunk));
        done();
      },
    }),
  );
  const stopping = new AbortController();
  const directory = new StateDirectory(path);
  const works: AdminHost['works'] = [];
  const work: HostLinkOptions['work'] = async (link, onHeartbeat, signal) => {
    const { promise, reject } = Promise.withResolvers<never>();
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    works.push({ link, fail: reject });
    onHeartbeat();
    await promise;
  };
  const host = { directory, hostname: 'host-1', agentVersion: '1', log };
  const link = new HostLink(
    { ...host, work, onUnlinked: () => undefined, ...options },
    stopping.signal,
  );
  const ha1 = digestHa1(KEY.publicKey, REALM, KEY.privateKey);
  const { publicKey } = KEY;
  const admin = { host: '127.0.0.1', port: 0, orgId: ORG, publicKey, ha1 };
  const { closeGraceMs = 3000, headersTimeoutMs } = options;
  const port = await startAdminPort({
    admin,
    hostname: 'host-1',
    link,
    log,
    closeGraceMs,
    ...(headersTimeoutMs === undefined ? {} : { headersTimeoutMs }),
  });
  const ended = link.run(options.linkToken ?? null).then(
    () => null,
    (error: Error) => error,
  );
  const call = async (method: string, target: string, { key = KEY, ...rest }: Call = {}) => {
    const first = await send(port.url + target, method, rest);
    const challenge = first.headers['www-authenticate'];
    if (typeof challenge !== 'string') return first;
    const authorization = answerTo(challenge, key, method, target);
    return send(port.url + target, method, {
      ...rest,
      headers: { ...rest.headers, authorization },
    });
  };
  const stop = async (): Promise<void> => {
    stopping.abort(new Error('stopped by the test'));
    await port[Symbol.asyncDispose]();
    await ended;
    directory[Symbol.dispose]();
  };
  return {
    url: port.url,
    link,
    path,
    call,
    status: async () => (JSON.parse((await call('GET', STATUS)).text) as { status: string }).status,
    state: () => readFileSync(join(path, 'link.json'), 'utf8'),
    log: () => lines.join(''),
    works,
    ended,
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      rmSync(path, { recursive: true, force: true });
    },
  };
}
