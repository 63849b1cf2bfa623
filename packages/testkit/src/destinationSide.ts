import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestApi, api } from './digestClient.ts';
import {
  DESTINATION_CLUSTER,
  expectBody,
  type MigrationCalls,
  migrationCalls,
} from './migrationCalls.ts';
import { type MongoDB, startMongoDB } from './mongodb.ts';
import { freePort } from './ports.ts';
import { type LinkspanProcess, runLinkspan, startServer } from './processes.ts';
import { type Proxy, startProxy } from './proxy.ts';

const FIRST = '2023-01-01';

export interface DestinationSideOptions {
  /** Given databases are not stopped with it. */
  readonly source?: MongoDB;
  readonly destination?: MongoDB;
  readonly serverArgs?: readonly string[];
  readonly serverEnv?: Readonly<Record<string, string>>;
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

/**
 * Two databases and a server, each a process of its own, with a project, a destination cluster and a
 * link-token that waits for a migration host. The server keeps its port when it is restarted.
 */
export interface DestinationSide extends MigrationCalls, AsyncDisposable {
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
}

/** @throws {Error} naming the step that failed and what it said */
export async function startDestinationSide(
  options: DestinationSideOptions = {},
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
  { serverArgs = [], serverEnv = {} }: DestinationSideOptions,
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
