import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { type TestApi, api } from './digestClient.ts';
import { type MongoDB, startMongoDB } from './mongodb.ts';
import { freePort } from './ports.ts';
import { type LinkspanProcess, runLinkspan, startAgent, startServer } from './processes.ts';

const POLL_MS = 100;
const VERSION = '2024-05-30';

/** The names that every pair has, so that tests can write them down. */
export const DESTINATION_CLUSTER = 'destination';
export const SOURCE_DEPLOYMENT = 'source';
export const MIGRATION_HOST = 'migration-host.example.net';
export const SOURCE_PROJECT = '5f0000000000000000000001';

export interface LinkedPairOptions {
  /** Given databases are not stopped with the pair. */
  readonly source?: MongoDB;
  readonly destination?: MongoDB;
  readonly serverArgs?: readonly string[];
}

/**
 * Two databases, a server and an agent, each a process of its own and linked: everything that a live
 * migration needs. The server keeps its port when it is restarted, as a real one does.
 */
export interface LinkedPair extends AsyncDisposable {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  readonly server: LinkspanProcess;
  readonly agent: LinkspanProcess;
  readonly directory: string;
  readonly baseUrl: string;
  readonly credentials: { readonly publicKey: string; readonly privateKey: string };
  readonly orgId: string;
  readonly projectId: string;
  /** As the organization's owner. */
  readonly api: TestApi;
  /** Starts a live migration and returns its id. */
  start(body?: { dropDestinationData?: boolean }): Promise<string>;
  describe(id: string): Promise<LiveMigrationDetail>;
  /**
   * Polls until the migration is as wanted; `what` names that in the error.
   * @throws {Error} when it becomes FAILED although that is not wanted, or after the time
   */
  until(
    id: string,
    what: string,
    isWanted: (migration: LiveMigrationDetail) => boolean,
    timeoutMs?: number,
  ): Promise<LiveMigrationDetail>;
  /** Cuts over and waits for COMPLETE. */
  cutOver(id: string): Promise<LiveMigrationDetail>;
}

/** @throws {Error} naming the step that failed and what it said */
export async function startLinkedPair(options: LinkedPairOptions = {}): Promise<LinkedPair> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-pair-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const source = options.source ?? resources.use(await startMongoDB({ name: 'source' }));
  const destination =
    options.destination ?? resources.use(await startMongoDB({ name: 'destination' }));

  const dataDir = join(directory, 'server');
  const made = await runLinkspan(['init', 'Tests', '--data-dir', dataDir, '-o', 'json']);
  if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
  const first = JSON.parse(made.stdout) as {
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  };
  const { publicKey, privateKey } = first.apiKey;
  const server = resources.use(
    await startServer({
      args: [
        ...['--data-dir', dataDir, '--port', String(await freePort())],
        ...['--allowed-networks', '127.0.0.0/8', '--no-rate-limits'],
        ...(options.serverArgs ?? []),
      ],
    }),
  );
  const baseUrl = (server.ready as { url: string }).url;
  const owner = resources.use(api(baseUrl, { publicKey, privateKey }));
  const orgId = first.organization.id;
  const { id: projectId } = await expectBody<{ id: string }>(
    owner.post('/api/atlas/v2/groups', { version: '2023-01-01', body: { name: 'Tests', orgId } }),
  );
  await expectBody(
    owner.post(`/api/linkspan/v1/groups/${projectId}/clusters`, {
      body: { name: DESTINATION_CLUSTER, connectionString: destination.uri },
    }),
  );
  const { linkToken } = await expectBody<{ linkToken: string }>(
    owner.post(`/api/atlas/v2/orgs/${orgId}/liveMigrations/linkTokens`, {
      version: '2023-01-01',
      body: { accessListIps: [] },
    }),
  );
  const config = join(directory, 'agent.yaml');
  await writeFile(config, agentConfiguration(source.uri));
  const agent = resources.use(
    await startAgent({
      args: [
        '--config',
        config,
        '--state-dir',
        join(directory, `agent-${randomBytes(3).toString('hex')}`),
      ],
      env: { LINKSPAN_LINK_TOKEN: linkToken },
    }),
  );

  const migrations = `/api/linkspan/v1/groups/${projectId}/liveMigrations`;
  const describe = (id: string): Promise<LiveMigrationDetail> =>
    expectBody<LiveMigrationDetail>(owner.get(`${migrations}/${id}`));
  const until: LinkedPair['until'] = async (id, what, isWanted, timeoutMs = 60_000) => {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const migration = await describe(id);
      if (isWanted(migration)) return migration;
      if (migration.status === 'FAILED' || performance.now() > deadline) {
        throw new Error(`waiting for "${what}" in vain: ${JSON.stringify(migration)}`);
      }
      await delay(POLL_MS);
    }
  };
  const owned = resources.move();
  return {
    ...{ source, destination, server, agent, directory, baseUrl, orgId, projectId },
    credentials: { publicKey, privateKey },
    api: owner,
    async start({ dropDestinationData = false } = {}) {
      const { _id } = await expectBody<{ _id: string }>(
        owner.post(`/api/atlas/v2/groups/${projectId}/liveMigrations`, {
          version: VERSION,
          body: migrationRequest(projectId, dropDestinationData),
        }),
      );
      return _id;
    },
    describe,
    until,
    async cutOver(id) {
      const ready = ({ readyForCutover }: LiveMigrationDetail): boolean => readyForCutover;
      await until(id, 'ready for cutover', ready, 120_000);
      await expectBody(
        owner.put(`/api/atlas/v2/groups/${projectId}/liveMigrations/${id}/cutover`, {
          version: '2023-01-01',
        }),
      );
      return until(id, 'COMPLETE', ({ status, cutover }) => {
        if (cutover.failure !== null) throw new Error(`the cutover failed: ${cutover.failure}`);
        return status === 'COMPLETE';
      });
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** The body of create and validate for the names of a pair. */
export function migrationRequest(projectId: string, dropDestinationData = false) {
  return {
    destination: { clusterName: DESTINATION_CLUSTER, groupId: projectId, hostnameSchemaType: '' },
    dropDestinationData,
    migrationHosts: [MIGRATION_HOST],
    source: {
      ...{ caCertificatePath: '', clusterName: SOURCE_DEPLOYMENT, groupId: SOURCE_PROJECT },
      ...{ managedAuthentication: true, password: '', ssl: false, username: '' },
    },
  };
}

/** JSON is YAML. */
function agentConfiguration(uri: string): string {
  const deployments = [{ name: SOURCE_DEPLOYMENT, uri }];
  const projects = [{ id: SOURCE_PROJECT, name: 'Tests', deployments }];
  return JSON.stringify({ hostname: MIGRATION_HOST, projects });
}

async function expectBody<T>(answer: Promise<{ status: number; body: unknown }>): Promise<T> {
  const { status, body } = await answer;
  if (status >= 400) throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
  return body as T;
}
