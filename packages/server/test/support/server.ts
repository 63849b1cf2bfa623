import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyPluginAsync } from 'fastify';
import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import type { ConnectionTest } from '../../src/domain/ports.ts';
import { initOrganization, type InitResult } from '../../src/init.ts';
import type { Gateway, GatewayDependencies } from '../../src/gateway/gateway.ts';
import { startServer } from '../../src/main.ts';
import type { Store } from '../../src/store/store.ts';
import { type Api, apiClient } from './api.ts';
import { testDatabase } from './postgresql.ts';

/** What stands in for the side that moves data: hooks that a test holds. */
export interface GatewayHooks {
  settle: (linkId: string, signal: AbortSignal) => Promise<{ unprovenCluster: string } | null>;
  settleHost: (hostId: string) => Promise<{ unprovenCluster: string } | null>;
  settleMigration: (
    migrationId: string,
    signal: AbortSignal,
  ) => Promise<{ unprovenCluster: string } | null>;
  dropCopied: (migrationId: string) => Promise<{ unprovenCluster: string } | null>;
  /** Migrations that were told to hold. */
  readonly held: string[];
  test: () => Promise<ConnectionTest>;
  readonly changed: string[];
}

export interface TestNode extends AsyncDisposable {
  readonly url: string;
  /** Calls with the owner's key. */
  readonly api: Api;
  readonly store: Store;
}

export interface TestServer extends TestNode {
  readonly orgId: string;
  readonly owner: InitResult['apiKey'];
  readonly hooks: GatewayHooks;
  readonly dataDirectory: string;
  /** Stops the server as a crash would, seen from the store, and starts another on it. */
  restart(): Promise<void>;
  /** Stops it, and leaves what it has written. */
  stop(): Promise<void>;
  /** Starts another node beside it on the same store, which has to be one that can be shared. */
  node(): Promise<TestNode>;
}

const noPlugin: FastifyPluginAsync = async () => {};

/**
 * A whole server over a socket on a fresh store, with one organization: the embedded store, or one in
 * PostgreSQL where LINKSPAN_TEST_STORE says so.
 * @param storeUrl of a database that is the test's own matter; null: the embedded store in any case
 */
export async function startTestServer(
  flags: Readonly<Record<string, string>> = {},
  storeUrl?: string | null,
): Promise<TestServer> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'linkspan-server-'));
  const database = storeUrl === undefined ? await testDatabase() : null;
  const url = storeUrl ?? database?.url;
  const config = loadConfig(
    {
      dataDir: dataDirectory,
      port: '0',
      ...flags,
    },
    url === undefined || url === null ? {} : { LINKSPAN_SERVER_STORE: url },
  );
  const { organization, apiKey } = await initOrganization(config.store, 'Test Organization');
  const hooks: GatewayHooks = {
    settle: async () => null,
    settleHost: async () => null,
    settleMigration: async () => null,
    dropCopied: async () => null,
    held: [],
    test: async () => ({
      ok: true,
      mongoDBVersion: '8.2.0',
      topology: 'ReplicaSet',
      fence: 'ENFORCED',
    }),
    changed: [],
  };
  const start = async () => {
    const seen: { store?: Store } = {};
    const server = await startServer({
      config,
      log: makeLogger('silent'),
      createGateway: (dependencies) => fakeGateway(dependencies, hooks, seen),
    });
    if (seen.store === undefined) throw new Error('the gateway was not made');
    return { server, store: seen.store };
  };
  let running = await start();
  return {
    get url() {
      return running.server.url;
    },
    get store() {
      return running.store;
    },
    get api() {
      return apiClient(running.server.url, apiKey);
    },
    orgId: organization.id,
    owner: apiKey,
    hooks,
    dataDirectory,
    restart: async () => {
      await running.server.close();
      running = await start();
    },
    stop: () => running.server.close(),
    node: async () => {
      const { server, store } = await start();
      const api = apiClient(server.url, apiKey);
      return { url: server.url, api, store, [Symbol.asyncDispose]: () => server.close() };
    },
    [Symbol.asyncDispose]: async () => {
      await running.server.close();
      await database?.[Symbol.asyncDispose]();
      rmSync(dataDirectory, { recursive: true });
    },
  };
}

function fakeGateway(
  { store }: GatewayDependencies,
  hooks: GatewayHooks,
  seen: { store?: Store },
): Gateway {
  seen.store = store;
  return {
    plugin: noPlugin,
    settle: (linkId, signal) => hooks.settle(linkId, signal),
    settleHost: (_linkId, hostId) => hooks.settleHost(hostId),
    settleMigration: (migrationId, signal) => hooks.settleMigration(migrationId, signal),
    dropCopied: (migrationId) => hooks.dropCopied(migrationId),
    obstacle: () => null,
    holdMigration: async (migrationId) => void hooks.held.push(migrationId),
    test: () => hooks.test(),
    changed: (linkId) => void hooks.changed.push(linkId),
    start: async () => {},
    announce: async () => {},
    drain: async () => {},
    close: async () => {},
  };
}
