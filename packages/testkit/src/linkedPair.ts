import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type {
  CreateLiveMigrationOwn,
  LiveMigrationDetail,
} from '@linkspan/contract/api/liveMigrations.ts';
import { type TestApi, api } from './digestClient.ts';
import { type MongoDB, startMongoDB } from './mongodb.ts';
import { freePort } from './ports.ts';
import { type Proxy, startProxy } from './proxy.ts';
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
  readonly serverEnv?: Readonly<Record<string, string>>;
  readonly agentEnv?: Readonly<Record<string, string>>;
  /** The agent may block the writes of the source. */
  readonly allowWriteBlock?: boolean;
  /** Where the agent keeps its state; in the pair's directory if absent. */
  readonly agentStateDir?: string;
  /** Puts a proxy into each of the three connections, so that a test can break them. */
  readonly proxied?: boolean;
}

/** The connections of a pair, each through a proxy. */
export interface Network {
  /** From the agent to the source. */
  readonly source: Proxy;
  /** From the agent to the server. */
  readonly server: Proxy;
  /** From the server to the destination. */
  readonly destination: Proxy;
}

/** The last two are of Linkspan's own API. */
export type StartOptions = Partial<
  Pick<CreateLiveMigrationOwn, 'dropDestinationData' | 'namespaces' | 'throttle'>
>;

/**
 * Two databases and a server, each a process of its own, with a project, a destination cluster and a
 * link-token that waits for a migration host. The server keeps its port when it is restarted.
 */
export interface DestinationSide extends AsyncDisposable {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  readonly server: LinkspanProcess;
  readonly directory: string;
  /** null unless `proxied`. */
  readonly network: Network | null;
  /** The connection string of the agent: through the proxy if there is one. */
  readonly sourceUri: string;
  readonly baseUrl: string;
  readonly credentials: { readonly publicKey: string; readonly privateKey: string };
  readonly orgId: string;
  readonly projectId: string;
  readonly linkToken: string;
  /** As the organization's owner. */
  readonly api: TestApi;
  /** Starts a live migration and returns its id. */
  start(body?: StartOptions): Promise<string>;
  describe(id: string): Promise<LiveMigrationDetail>;
  /** Lifts its throttle, once what was to happen in the middle of it has happened. */
  unthrottle(id: string): Promise<void>;
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
  const isBlocking = options.allowWriteBlock === true;
  await writeFile(config, agentConfiguration(side.sourceUri, isBlocking));
  const stateDir = options.agentStateDir ?? join(side.directory, 'agent');
  const directory = join(side.directory, 'agent-process');
  await mkdir(directory);
  const agent = resources.use(
    await startAgent({
      args: ['--config', config, '--state-dir', stateDir],
      directory,
      env: { ...options.agentEnv, LINKSPAN_LINK_TOKEN: side.linkToken },
    }),
  );
  const owned = resources.move();
  return { ...side, agent, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A further migration host on the link of a pair, with a token and a state directory of its own. */
export interface FurtherHost extends AsyncDisposable {
  readonly hostname: string;
  readonly stateDir: string;
  readonly agent: LinkspanProcess;
}

/**
 * Starts an agent that links with a token for another host and can read the same deployment.
 * @throws {Error} naming the step that failed and what it said
 */
export async function startFurtherHost(
  pair: LinkedPair,
  hostname: string,
  env: Readonly<Record<string, string>> = {},
): Promise<FurtherHost> {
  const path = `/api/linkspan/v1/orgs/${pair.orgId}/liveMigrations/link/hosts`;
  const { linkToken } = await expectBody<{ linkToken: string }>(pair.api.post(path, { body: {} }));
  const directory = join(pair.directory, hostname);
  await mkdir(directory);
  const config = join(directory, 'agent.yaml');
  await writeFile(config, agentConfiguration(pair.sourceUri, false, hostname));
  const stateDir = join(directory, 'state');
  const agent = await startAgent({
    args: ['--config', config, '--state-dir', stateDir],
    directory,
    env: { ...env, LINKSPAN_LINK_TOKEN: linkToken },
  });
  return { hostname, stateDir, agent, [Symbol.asyncDispose]: () => agent.stop() };
}

/** @throws {Error} naming the step that failed and what it said */
export async function startDestinationSide(
  options: LinkedPairOptions = {},
): Promise<DestinationSide> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-pair-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const database = async (name: 'source' | 'destination'): Promise<MongoDB> =>
    options[name] ?? resources.use(await startMongoDB({ name }));
  const [source, destination] = await Promise.all([database('source'), database('destination')]);
  let port = 0;
  const network =
    options.proxied === true
      ? await startNetwork(source, () => port, destination, resources)
      : null;
  // After the proxies have theirs: one of them would take it.
  port = await freePort();
  const serverArgs = [...(options.serverArgs ?? []), ...addressArgs(port, network)];
  const { server, orgId, credentials } = await startInitialised(
    directory,
    { ...options, serverArgs },
    resources,
  );
  const baseUrl = (server.ready as { url: string }).url;
  const owner = resources.use(api(baseUrl, credentials));
  const prepared = await prepareLink(owner, orgId, destination, network);
  const owned = resources.move();
  return {
    source,
    destination,
    server,
    directory,
    network,
    sourceUri: throughProxy(source.uri, network?.source),
    baseUrl,
    credentials,
    orgId,
    ...prepared,
    api: owner,
    ...migrationCalls(owner, prepared.projectId),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * The same for another test: a new organization on the server of a side, which goes on owning that.
 * @throws {Error} naming the call that failed and what it said
 */
export async function startNextSide(side: DestinationSide): Promise<DestinationSide> {
  const { organization, apiKey } = await expectBody<{
    readonly organization: { readonly id: string };
    readonly apiKey: { readonly publicKey: string; readonly privateKey: string };
  }>(
    side.api.post('/api/atlas/v2/orgs', {
      version: FIRST,
      body: { name: 'Tests', apiKey: { desc: 'owner', roles: ['ORG_OWNER'] } },
    }),
  );
  const { publicKey, privateKey } = apiKey;
  const credentials = { publicKey, privateKey };
  const owner = api(side.baseUrl, credentials);
  const orgId = organization.id;
  const prepared = await prepareLink(owner, orgId, side.destination, side.network);
  return {
    ...side,
    credentials,
    orgId,
    ...prepared,
    api: owner,
    ...migrationCalls(owner, prepared.projectId),
    [Symbol.asyncDispose]: () => owner[Symbol.asyncDispose](),
  };
}

/** What an owner does before a migration host can be linked. */
async function prepareLink(
  owner: TestApi,
  orgId: string,
  destination: MongoDB,
  network: Network | null,
): Promise<Pick<DestinationSide, 'projectId' | 'linkToken'>> {
  const { id: projectId } = await expectBody<{ id: string }>(
    owner.post('/api/atlas/v2/groups', { version: FIRST, body: { name: 'Tests', orgId } }),
  );
  const tlsCA = destination.caFile === null ? null : await readFile(destination.caFile, 'utf8');
  await expectBody(
    owner.post(`/api/linkspan/v1/groups/${projectId}/clusters`, {
      body: {
        name: DESTINATION_CLUSTER,
        connectionString: throughProxy(destination.uri, network?.destination),
        ...(tlsCA !== null && { tlsCA }),
      },
    }),
  );
  const { linkToken } = await expectBody<{ linkToken: string }>(
    owner.post(`/api/atlas/v2/orgs/${orgId}/liveMigrations/linkTokens`, {
      version: FIRST,
      body: { accessListIps: [] },
    }),
  );
  return { projectId, linkToken };
}

async function startNetwork(
  source: MongoDB,
  serverPort: () => number,
  destination: MongoDB,
  resources: AsyncDisposableStack,
): Promise<Network> {
  const before = async (target: number | (() => number)): Promise<Proxy> =>
    resources.use(await startProxy(target));
  return {
    source: await before(portOf(source.uri)),
    server: await before(serverPort),
    destination: await before(portOf(destination.uri)),
  };
}

function addressArgs(port: number, network: Network | null): string[] {
  const own = ['--port', String(port)];
  if (network === null) return own;
  return [...own, '--public-url', `http://127.0.0.1:${network.server.port}`];
}

export function portOf(uri: string): number {
  const port = /:(\d+)\/\?/.exec(uri)?.[1];
  if (port === undefined) throw new Error('a proxy needs a MongoDB of one node with a port');
  return Number(port);
}

/** A driver that discovers the replica set would go on past the proxy. */
export function throughProxy(uri: string, proxy: Pick<Proxy, 'port'> | undefined): string {
  if (proxy === undefined) return uri;
  const credentials = /\/\/([^@/]*@)?/.exec(uri)?.[1] ?? '';
  return `mongodb://${credentials}127.0.0.1:${proxy.port}/?directConnection=true`;
}

async function startInitialised(
  directory: string,
  { serverArgs = [], serverEnv = {} }: LinkedPairOptions,
  resources: AsyncDisposableStack,
) {
  const dataDir = join(directory, 'server');
  const made = await runLinkspan(['init', 'Tests', '--data-dir', dataDir, '-o', 'json']);
  if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
  const { organization, apiKey } = JSON.parse(made.stdout) as {
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  };
  const place = ['--data-dir', dataDir];
  const rules = ['--allowed-networks', '127.0.0.0/8', '--rate-limits', 'false'];
  const server = resources.use(
    await startServer({ args: [...place, ...rules, ...serverArgs], env: serverEnv }),
  );
  const { publicKey, privateKey } = apiKey;
  return { server, orgId: organization.id, credentials: { publicKey, privateKey } };
}

/** What tests do with live migrations, as the organization's owner. */
export function migrationCalls(
  owner: TestApi,
  projectId: string,
): Pick<
  DestinationSide,
  'start' | 'describe' | 'unthrottle' | 'until' | 'askForCutover' | 'cutOver'
> {
  const path = `/api/atlas/v2/groups/${projectId}/liveMigrations`;
  const ownPath = `/api/linkspan/v1/groups/${projectId}/liveMigrations`;
  const describe = (id: string): Promise<LiveMigrationDetail> =>
    expectBody(owner.get(`${ownPath}/${id}`));
  const until: DestinationSide['until'] = async (id, what, isWanted, timeoutMs = 120_000) => {
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
    const deadline = performance.now() + 120_000;
    for (;;) {
      await until(id, 'ready for cutover', isReady, deadline - performance.now());
      const answer = await owner.put(`${path}/${id}/cutover`, { version: FIRST });
      // Right after a failed cutover the last report may be older than that.
      const isTooEarly =
        answer.status === 409 && JSON.stringify(answer.body).includes('NOT_READY_FOR_CUTOVER');
      if (!isTooEarly) return void (await expectBody(Promise.resolve(answer)));
      await delay(POLL_MS);
    }
  };
  return {
    async start({ dropDestinationData = false, ...own } = {}) {
      const body = migrationRequest(projectId, dropDestinationData);
      if (Object.keys(own).length > 0) {
        const request = { body: { ...body, ...own } };
        return (await expectBody<{ _id: string }>(owner.post(ownPath, request)))._id;
      }
      const request = { version: LATEST, body };
      return (await expectBody<{ _id: string }>(owner.post(path, request)))._id;
    },
    describe,
    async unthrottle(id) {
      await expectBody(owner.patch(`${ownPath}/${id}`, { body: { throttle: null } }));
    },
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
export function agentConfiguration(
  uri: string,
  allowWriteBlock: boolean,
  hostname = MIGRATION_HOST,
): string {
  const deployments = [{ name: SOURCE_DEPLOYMENT, uri, allowWriteBlock }];
  const projects = [{ id: SOURCE_PROJECT, name: 'Tests', deployments }];
  return JSON.stringify({ hostname, projects });
}

/** @throws {Error} with what the API said, unless it went well */
export async function expectBody<T>(
  answer: Promise<{ status: number; body: unknown }>,
): Promise<T> {
  const { status, body } = await answer;
  if (status >= 400) throw new Error(`the API answered ${status}: ${JSON.stringify(body)}`);
  return body as T;
}
