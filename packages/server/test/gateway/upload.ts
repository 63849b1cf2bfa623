import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

import {
  MAX_BODY_BYTES,
  PUSH_BASE,
  PUSH_VERSION,
  VERSION_HEADER,
} from '@linkspan/contract/push/version.ts';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as links from '../../src/store/links.ts';
import * as organizations from '../../src/store/organizations.ts';
import { sha256, TestHost, type TestPush } from './push.ts';

const MIB = 1024 * 1024;
/** More than the kernel takes off a sender's hands: what of so much is sent, the server reads. */
export const LARGE = 16 * MIB;

/** A request whose body is sent bit by bit, or not to its end. */
export interface Upload {
  readonly socket: Socket;
  /** Comes back once the bytes have left this process. */
  send(bytes: Uint8Array): Promise<void>;
  /** The status of the answer. Rejects when there is none. */
  readonly status: Promise<number>;
}

/**
 * Begins a request.
 * @param length what it declares, in bytes; null: nothing, so that the largest body is to be reckoned with
 */
export function upload(
  url: string,
  host: TestHost,
  path: string,
  length: number | null,
  headers: Record<string, string> = {},
): Upload {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => undefined);
  const lines = Object.entries({
    host: hostname,
    authorization: host.authorization,
    [VERSION_HEADER]: String(PUSH_VERSION),
    'content-type': 'application/json',
    ...(length === null
      ? { 'transfer-encoding': 'chunked' }
      : { 'content-length': String(length) }),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.write(`POST ${PUSH_BASE}${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
  const status = Promise.race([
    once(socket, 'data').then(([data]) => Number(String(data).split(' ')[1])),
    once(socket, 'close').then(() => Promise.reject(new Error('no answer'))),
  ]);
  status.catch(() => undefined);
  const write = (data: Uint8Array | string): Promise<void> =>
    new Promise((resolve, reject) =>
      socket.write(data, (error) => (error ? reject(error) : resolve())),
    );
  return {
    socket,
    status,
    async send(bytes) {
      if (length !== null) return write(bytes);
      await write(`${bytes.length.toString(16)}\r\n`);
      await write(bytes);
      await write('\r\n');
    },
  };
}

/** JSON with so many spaces after it that it has that many bytes. */
export function padded(message: object, bytes: number): Buffer {
  return Buffer.from(JSON.stringify(message).padEnd(bytes));
}

export const inventory = { hostname: 'host-1', agentVersion: '0.1.0', projects: [] };

/** Comes back once a node has room for the largest body of that host: then nothing is set aside for its link. */
export async function untilAllIsFree(host: TestHost): Promise<void> {
  const answer = await host.post('/inventory', padded(inventory, MAX_BODY_BYTES));
  if (answer.status !== 204) throw new Error(answer.bytes.toString());
}

/** A linked host of another organization. */
export async function hostOfAnotherLink({ store: { db }, url }: TestPush): Promise<TestHost> {
  const token = newId();
  const org = { id: newId(), name: 'Another', created_at: timestamp(), settings: '{}', kept: '{}' };
  await organizations.insert(db, org);
  await links.insert(db, {
    id: newId(),
    org_id: org.id,
    api_key_id: null,
    state: 'PENDING',
    token_hash: sha256(token),
    token_expires_at: timestamp(new Date(Date.now() + 3_600_000)),
    token_host_id: null,
    access_list: '[]',
    created_at: timestamp(),
    suspended_at: null,
  });
  const host = new TestHost(url);
  const { status } = await host.register(token);
  if (status !== 200) throw new Error(`the host was answered ${status}`);
  return host;
}
