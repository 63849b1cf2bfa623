import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { type TestApi, api } from './digestClient.ts';
import { portOf, throughProxy } from './destinationSide.ts';
import { agentConfiguration } from './linkedPair.ts';
import {
  DESTINATION_CLUSTER,
  expectBody,
  migrationCalls,
  type MigrationCalls,
} from './migrationCalls.ts';
import { type MongoDB, startMongoDB } from './mongodb.ts';
import { freePort } from './ports.ts';
import { startPostgreSQL } from './postgresql.ts';
import { type LinkspanProcess, runLinkspan, startAgent, startServer } from './processes.ts';
import { type Proxy, startProxy } from './proxy.ts';

const NODES = 2;
/** Long enough for a machine that is busy, short enough for a test to wait for. */
const LEASE_SECONDS = 4;
const REMOVAL_WAIT_SECONDS = 6;
/** How often the balancer asks nodes whether they are ready, and how long they may take. */
const ASK_EVERY_MS = 200;
const ASK_MS = 4000;
const FIRST = '2023-01-01';

/** One server node, with its own ways to the others. */
export interface ServerNode {
  readonly server: LinkspanProcess;
  readonly url: string;
  /** From the node to PostgreSQL. */
  readonly store: Proxy;
  /** As the organization's owner, straight to this node. */
  readonly api: TestApi;
}

/**
 * Two server nodes on one PostgreSQL behind a load balancer, with a source and a destination: processes
 * all. Agents reach the nodes through the balancer, the nodes reach the destination through one proxy.
 */
export interface LinkedNodes extends MigrationCalls, AsyncDisposable {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  readonly nodes: readonly ServerNode[];
  /** From the nodes to the destination. */
  readonly network: Proxy;
  readonly orgId: string;
  /** Makes a link-token, and starts an agent that is linked with it. */
  link(): Promise<LinkspanProcess>;
  /** The node that holds the migration's push session, and one that does not. */
  holderOf(migrationId: string): Promise<{ holder: ServerNode; other: ServerNode }>;
}

/** @throws {Error} naming the step that failed and what it said */
export async function startLinkedNodes(): Promise<LinkedNodes> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-nodes-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const [postgresql, source, destination] = await Promise.all([
    startPostgreSQL(),
    startMongoDB({ name: 'source' }),
    startMongoDB({ name: 'destination' }),
  ]);
  for (const database of [postgresql, source, destination]) resources.use(database);
  const storeUrl = await postgresql.createDatabase();
  const masterKey = join(directory, 'master.key');
  const place = ['--data-dir', directory, '--master-key-file', masterKey];
  await writeFile(masterKey, 'ab'.repeat(32), { mode: 0o600 });
  const made = await runLinkspan(['init', 'Tests', ...place, '-o', 'json'], {
    env: { LINKSPAN_SERVER_STORE: storeUrl },
  });
  if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
  const { organization, apiKey } = JSON.parse(made.stdout) as {
    organization: { id: string };
    apiKey: { publicKey: string; privateKey: string };
  };
  const orgId = organization.id;

  const network = resources.use(await startProxy(portOf(destination.uri)));
  const ports = await Promise.all(Array.from({ length: NODES }, () => freePort()));
  const balancer = resources.use(await startBalancer(ports));
  const rules = Object.entries({
    'allowed-networks': '127.0.0.0/8',
    'rate-limits': 'false',
    'public-url': `http://127.0.0.1:${balancer.port}`,
    'lease-seconds': String(LEASE_SECONDS),
    'drain-seconds': '1',
    'removal-wait-seconds': String(REMOVAL_WAIT_SECONDS),
  }).flatMap(([name, value]) => [`--${name}`, value]);
  const nodes: ServerNode[] = await Promise.all(
    ports.map(async (port) => {
      const store = resources.use(await startProxy(Number(new URL(storeUrl).port)));
      const own = new URL(storeUrl);
      own.port = String(store.port);
      const server = resources.use(
        await startServer({
          args: [...place, '--port', String(port), ...rules],
          env: { LINKSPAN_SERVER_STORE: own.href },
        }),
      );
      const { url } = server.ready as { url: string };
      return { server, url, store, api: resources.use(api(url, apiKey)) };
    }),
  );
  const owner = patient(resources.use(api(`http://127.0.0.1:${balancer.port}`, apiKey)));
  const { id: projectId } = await expectBody<{ id: string }>(
    owner.post('/api/atlas/v2/groups', { version: FIRST, body: { name: 'Tests', orgId } }),
  );
  await expectBody(
    owner.post(`/api/linkspan/v1/groups/${projectId}/clusters`, {
      body: {
        name: DESTINATION_CLUSTER,
        connectionString: throughProxy(destination.uri, network),
      },
    }),
  );
  const database = new pg.Client({ connectionString: storeUrl });
  database.on('error', () => undefined);
  await database.connect();
  resources.defer(() => database.end());
  let agents = 0;
  const owned = resources.move();
  return {
    source,
    destination,
    nodes,
    network,
    orgId,
    ...migrationCalls(owner, projectId),
    async link() {
      const { linkToken } = await expectBody<{ linkToken: string }>(
        owner.post(`/api/atlas/v2/orgs/${orgId}/liveMigrations/linkTokens`, {
          version: FIRST,
          body: { accessListIps: [] },
        }),
      );
      agents += 1;
      const config = join(directory, 'agent.yaml');
      await writeFile(config, agentConfiguration(source.uri, false));
      return startAgent({
        args: ['--config', config, '--state-dir', join(directory, `agent-${agents}`)],
        env: { LINKSPAN_LINK_TOKEN: linkToken },
      });
    },
    async holderOf(migrationId) {
      for (;;) {
        const { rows } = await database.query<{ url: string }>(
          `select n.url from push_sessions s join nodes n on n.id = s.node_id
            where s.migration_id = $1 and s.state = 'OPEN' order by s.epoch desc limit 1`,
          [migrationId],
        );
        const holder = nodes.find(({ url }) => url === rows[0]?.url);
        const other = nodes.find((node) => node !== holder);
        if (holder !== undefined && other !== undefined) return { holder, other };
        await delay(50);
      }
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/**
 * A load balancer: new connections go to the ports that say that they are ready, in turn. Connections to
 * one that says nothing any more are cut.
 */
async function startBalancer(
  ports: readonly number[],
): Promise<{ readonly port: number } & AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const fronts = await Promise.all(ports.map((port) => startProxy(port)));
  for (const front of fronts) resources.use(front);
  const ready = new Set<Proxy>();
  const stopping = new AbortController();
  const ask = async (front: Proxy, port: number): Promise<void> => {
    while (!stopping.signal.aborted) {
      const status = await statusOf(port);
      if (status === 200) ready.add(front);
      else ready.delete(front);
      if (status === null) front.cut();
      await delay(ASK_EVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
    }
  };
  let turn = 0;
  const entrance = resources.use(
    await startProxy(() => {
      const those = fronts.filter((front) => ready.has(front));
      turn += 1;
      return (those[turn % those.length] ?? (fronts[0] as Proxy)).port;
    }),
  );
  const asking = ports.map((port, index) => ask(fronts[index] as Proxy, port));
  resources.defer(async () => {
    stopping.abort();
    await Promise.all(asking);
  });
  const owned = resources.move();
  return { port: entrance.port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** @returns null without an answer in time */
function statusOf(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const path = '/api/linkspan/v1/ready';
    const asked = request({ host: '127.0.0.1', port, path, timeout: ASK_MS }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? null);
    });
    asked.once('timeout', () => asked.destroy());
    asked.once('error', () => resolve(null));
    asked.end();
  });
}

/** Asks again where a connection was lost on the way, for what may be asked twice: nodes come and go. */
function patient(owner: TestApi): TestApi {
  const again =
    (call: TestApi['get']): TestApi['get'] =>
    async (path, options) => {
      for (let failures = 0; ; failures++) {
        try {
          const answer = await call(path, options);
          if (answer.status !== 503 || failures > 50) return answer as never;
        } catch (error) {
          if (failures > 50) throw error;
        }
        await delay(200);
      }
    };
  return { ...owner, get: again(owner.get), patch: again(owner.patch) };
}
