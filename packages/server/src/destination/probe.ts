import {
  MongoServerError,
  MongoServerSelectionError,
  type Document,
  type MongoClient,
} from 'mongodb';

import type { ConnectionTest } from '../domain/ports.ts';
import { connect, type AddressCheck } from './connect.ts';
import { isAuthenticationFailure, reasonOf } from './errors.ts';
import { enforcesFence } from './fence.ts';

const APP_NAME = 'linkspan-probe';
/** A cluster that elects a primary may take this long, in milliseconds. */
const SELECTION_MS = 10_000;

type Failure = Extract<ConnectionTest, { ok: false }>;

/** Connects once and tells what is there, or why it does not work, in coarse codes (rule C13). */
export async function testConnection(
  uri: string,
  mayConnect: AddressCheck,
  signal: AbortSignal,
): Promise<ConnectionTest> {
  let client: MongoClient;
  try {
    client = openProbe(uri, mayConnect);
  } catch (error) {
    return { ok: false, code: 'UNREACHABLE', message: reasonOf(error) };
  }
  const cut = (): void => void client.close(true);
  signal.addEventListener('abort', cut, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.race([look(client), firstFailure(client)]);
  } catch (error) {
    if (signal.aborted) return failure('TIMED_OUT', client, 'no answer in time');
    return classify(error, client);
  } finally {
    signal.removeEventListener('abort', cut);
    await client.close(true);
  }
}

async function look(client: MongoClient): Promise<ConnectionTest> {
  const admin = client.db('admin');
  const hello = await admin.command({ hello: 1 });
  if (hello['setName'] === undefined && hello['msg'] !== 'isdbgrid') {
    return failure(
      'STANDALONE',
      client,
      'a standalone server: a destination is a replica set or a sharded cluster',
    );
  }
  // Needs a user that is logged in, where the server asks for one.
  await admin.command({ listDatabases: 1, nameOnly: true });
  return { ok: true, ...(await describe(client)) };
}

/** What a cluster says of itself, to any user, and whether it enforces the fence (rule C4). */
export async function describe(client: MongoClient): Promise<{
  readonly mongoDBVersion: string;
  readonly topology: string;
  readonly fence: 'ENFORCED' | 'NOT_ENFORCED';
}> {
  const admin = client.db('admin');
  const { version } = await admin.command({ buildInfo: 1 });
  return {
    mongoDBVersion: String(version),
    topology: topologyOf(await admin.command({ hello: 1 })),
    fence: (await enforcesFence(client)) ? 'ENFORCED' : 'NOT_ENFORCED',
  };
}

/**
 * Rejects once no host is left that could answer: a driver would go on trying until its time is over.
 */
function firstFailure(client: MongoClient): Promise<never> {
  const failed = new Set<string>();
  const none = Promise.withResolvers<never>();
  client.on('serverHeartbeatFailed', ({ connectionId, failure: reason }) => {
    failed.add(connectionId);
    if (failed.size >= client.options.hosts.length) none.reject(reason);
  });
  return none.promise;
}

/** A client for one short look. */
export function openProbe(uri: string, mayConnect: AddressCheck): MongoClient {
  const overrides = { maxPoolSize: 2, serverSelectionTimeoutMS: SELECTION_MS };
  return connect(uri, { appName: APP_NAME, mayConnect, overrides });
}

function topologyOf(hello: Document): string {
  return hello['msg'] === 'isdbgrid' ? 'Sharded' : 'ReplicaSet';
}

function classify(error: unknown, client: MongoClient): Failure {
  if (isAuthenticationFailure(error)) {
    return failure('AUTHENTICATION_FAILED', client, 'the username or password is not correct');
  }
  if (error instanceof MongoServerError) return failure('UNREACHABLE', client, reasonOf(error));
  const chain = causesOf(error);
  const codes = chain.map(({ code: text }) => (typeof text === 'string' ? text : ''));
  const text = chain.map((cause) => cause.message).join(' ');
  const has = (pattern: RegExp): boolean => codes.some((one) => pattern.test(one));
  if (has(/^(ENOTFOUND|EAI_AGAIN|ENODATA|ESERVFAIL)$/)) {
    return failure('HOST_NOT_FOUND', client, 'the host name does not resolve');
  }
  if (has(/^ECONNREFUSED$/)) return failure('CONNECTION_REFUSED', client, 'connection refused');
  if (has(/^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/)) {
    return failure('TLS_FAILED', client, reasonOf(chain.at(-1)));
  }
  if (has(/^ETIMEDOUT$/) || /timed out/i.test(text)) {
    return failure('TIMED_OUT', client, 'no answer in time');
  }
  return failure('UNREACHABLE', client, reasonOf(chain.at(-1)));
}

/** The error, what caused it, and what the driver knows of each server. */
function causesOf(error: unknown): (Error & { code?: unknown })[] {
  const chain: (Error & { code?: unknown })[] = [];
  for (let cause = error; cause instanceof Error && chain.length < 10;) {
    chain.push(cause);
    const servers: unknown =
      cause instanceof MongoServerSelectionError ? cause.reason?.servers.values() : undefined;
    const [server] = servers === undefined ? [] : [...(servers as Iterable<{ error: unknown }>)];
    cause = server?.error ?? cause.cause;
  }
  return chain;
}

function failure(code: Failure['code'], client: MongoClient, reason: string): Failure {
  return { ok: false, code, message: `${hostsOf(client)}: ${reason}` };
}

function hostsOf(client: MongoClient): string {
  const { srvHost, hosts } = client.options;
  return srvHost ?? hosts.map((host) => host.toString()).join(', ');
}
