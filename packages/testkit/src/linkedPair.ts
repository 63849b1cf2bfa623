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
const FIRST = '2023-01-01';
const LATEST = '2024-05-30';

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
 * Two databases and a server, each a process of its own, with a project, a destination cluster and a
 * link-token that waits for a migration host. The server keeps its port when it is restarted.
 */
export interface DestinationSide extends AsyncDisposable {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  readonly server: LinkspanProcess;
  readonly directory: string;
  readonly baseUrl: string;
  readonly credentials: { readonly publicKey: string; readonly privateKey: string };
  readonly orgId: string;
  readonly projectId: string;
  readonly linkToken: string;
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
  /** Asks for a cutover once the migration is ready for it. */
  askForCutover(id: string): Promise<void>;
  /** Cuts over and waits for COMPLETE. */
  cutOver(id: string, timeoutMs?: number): Promise<LiveMigrationDetail>;
}

/** With an agent that is linked: everything that a live migration needs. */
export interface LinkedPair extends DestinationSide {
  readonly agent: LinkspanProcess;
}

/** @throws {Error} naming the step that failed and what it said */
export async function startLinkedPair(options: LinkedPairOptions = {}): Promise<LinkedPair> {
  await using resources = new AsyncDisposableStack();
  const side = resources.use(await startDestinationSide(options));
  const config = join(side.directory, 'agent.yaml');
  await writeFile(config, agentConfiguration(side.source.uri));
  const agent = resources.use(
    await startAgent({
      args: ['--config', config, '--state-dir', join(side.directory, 'agent')],
      env: { LINKSPAN_LINK_TOKEN: side.linkToken },
    }),
  );
  const owned = resources.move();
  return { ...side, agent, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** @throws {Error} naming the step that failed and what it said */
export async function startDestinationSide(
  options: LinkedPairOptions = {},
): Promise<DestinationSide> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-pair-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const source = options.source ?? resources.use(await startMongoDB({ name: 'source' }));
  const destination =
    options.destination ?? resources.use(await startMongoDB({ name: 'destination' }));
  const { server, orgId, credentials } = await startInitialised(directory, options, resources);
  const baseUrl = (server.ready as { url: string }).url;
  const owner = resources.use(api(baseUrl, credentials));
  const { id: projectId } = await expectBody<{ id: string }>(
    owner.post('/api/atlas/v2/groups', { version: FIRST, body: { name: 'Tests', orgId } }),
  );
  await expectBody(
    owner.post(`/api/linkspan/v1/groups/${projectId}/clusters`, {
      body: { name: DESTINATION_CLUSTER, connectionString: destination.uri },
    }),
  );
  const { linkToken } = await expectBody<{ linkToken: string }>(
    owner.post(`/api/atlas/v2/orgs/${orgId}/liveMigrations/linkTokens`, {
      version: FIRST,
      body: { accessListIps: [] },
    }),
  );
  const owned = resources.move();
  return {
    source,
    destination,
    server,
    directory,
    baseUrl,
    credentials,
    orgId,
    projectId,
    linkToken,
    api: owner,
    ...migrationCalls(owner, projectId),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startInitialised(
  directory: string,
  { serverArgs = [] }: LinkedPairOptions,
  resources: AsyncDisposableStack,
) {
  const dataDir = join(directory, 'server');
  const made = await runLinkspan(['init', 'Tests', '--data-dir', dataDir, '-o', 'json']);
  if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
  const { organization, apiKey } = JSON.parse(made.stdout) as {
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  };
  const place = ['--data-dir', dataDir, '--port', String(await freePort())];
  const rules = ['--allowed-networks', '127.0.0.0/8', '--rate-limits', 'false'];
  const server = resources.use(await startServer({ args: [...place, ...rules, ...serverArgs] }));
  const { publicKey, privateKey } = apiKey;
  return { server, orgId: organization.id, credentials: { publicKey, privateKey } };
}

function migrationCalls(
  owner: TestApi,
  projectId: string,
): Pick<DestinationSide, 'start' | 'describe' | 'until' | 'askForCutover' | 'cutOver'> {
  const describe = (id: string): Promise<LiveMigrationDetail> =>
    expectBody(owner.get(`/api/linkspan/v1/groups/${projectId}/liveMigrations/${id}`));
  const path = `/api/atlas/v2/groups/${projectId}/liveMigrations`;
  const until: DestinationSide['until'] = async (id, what, isWanted, timeoutMs = 60_000) => {
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
  const askForCutover = async (id: string): Promise<void> => {
    const isReady = ({ readyForCutover }: LiveMigrationDetail): boolean => readyForCutover;
    await until(id, 'ready for cutover', isReady, 120_000);
    await expectBody(owner.put(`${path}/${id}/cutover`, { version: FIRST }));
  };
  return {
    async start({ dropDestinationData = false } = {}) {
      const body = migrationRequest(projectId, dropDestinationData);
      const request = { version: LATEST, body };
      return (await expectBody<{ _id: string }>(owner.post(path, request)))._id;
    },
    describe,
    until,
    askForCutover,
    async cutOver(id, timeoutMs) {
      await askForCutover(id);
      const isComplete = ({ status, cutover }: LiveMigrationDetail): boolean => {
        if (cutover.failure !== null) throw new Error(`the cutover failed: ${cutover.failure}`);
        return status === 'COMPLETE';
      };
      return until(id, 'COMPLETE', isComplete, timeoutMs);
    },
  };
}

/** The body of create and validate for the names of a pair. */
export function migrationRequest(projectId: string, dropDestinationData = false) {
  return {
    destination: { clusterName: DESTINATION_CLUSTER, groupId: projectId, hostnameSchemaType: '' },
    dropDestinationData,
    migrationHosts: [MIGRATION_HOST],
    source: {
      caCertificatePath: '',
      clusterName: SOURCE_DEPLOYMENT,
      groupId: SOURCE_PROJECT,
      managedAuthentication: true,
      password: '',
      ssl: false,
      username: '',
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
