import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { portOf } from '@linkspan/testkit/destinationSide.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { freePort } from '@linkspan/testkit/ports.ts';
import { startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { type LinkspanProcess, runLinkspan, startServer } from '@linkspan/testkit/processes.ts';
import { startProxy } from '@linkspan/testkit/proxy.ts';
import type { ApiKeyCredentials } from '@linkspan/cli/api/digest.ts';
import type { InsideReading } from './inside.ts';
import { parentOf, pidsWithArguments, withChildren } from './processes.ts';

const NODES = 2;
const INSIDE = new URL('inside.ts', import.meta.url).href;

export interface ServiceNode {
  readonly server: LinkspanProcess;
  readonly url: string;
  /** What it said of itself since a moment, in milliseconds since 1970. */
  inside(since: number): readonly InsideReading[];
}

/** Two server nodes on one PostgreSQL, sources and a destination: processes all. */
export interface Service extends AsyncDisposable {
  readonly directory: string;
  readonly sources: readonly MongoDB[];
  readonly destination: MongoDB;
  readonly nodes: readonly ServiceNode[];
  /** Of the organization that the store was made with: an owner. */
  readonly credentials: ApiKeyCredentials;
  /** A connection of its own, to ask PostgreSQL how it does. */
  readonly database: pg.Client;
  /** Of PostgreSQL, with its backends; of sources and destination. */
  readonly pids: { readonly postgresql: () => number[]; readonly mongodb: () => number[] };
}

/**
 * Agents reach the nodes through a balancer of connections, so that pushes come to the wrong node too;
 * the API is called at the nodes themselves.
 * @throws {Error} naming the step that failed and what it said
 */
export async function startService(sourceCount: number): Promise<Service> {
  await using resources = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-load-'));
  resources.defer(() => rm(directory, { recursive: true, force: true }));
  const postgresql = resources.use(await startPostgreSQL());
  const destination = resources.use(await startMongoDB({ name: 'destination' }));
  const sources: MongoDB[] = [];
  for (let n = 0; n < sourceCount; n += 1) {
    sources.push(resources.use(await startMongoDB({ name: n === 0 ? 'source' : `source ${n}` })));
  }
  const store = await postgresql.createDatabase();
  const masterKey = join(directory, 'master.key');
  const place = ['--data-dir', directory, '--master-key-file', masterKey];
  await writeFile(masterKey, 'ab'.repeat(32), { mode: 0o600 });
  const made = await runLinkspan(['init', 'Load', ...place, '-o', 'json'], {
    env: { LINKSPAN_SERVER_STORE: store },
  });
  if (made.code !== 0) throw new Error(`linkspan init failed: ${made.stderr}`);
  const { apiKey } = JSON.parse(made.stdout) as { apiKey: ApiKeyCredentials };

  const ports = await Promise.all(Array.from({ length: NODES }, () => freePort()));
  let turn = 0;
  const balancer = resources.use(
    await startProxy(() => {
      turn += 1;
      return ports[turn % NODES] as number;
    }),
  );
  const rules = Object.entries({
    'public-url': `http://127.0.0.1:${balancer.port}`,
    'allowed-networks': '127.0.0.0/8',
    'rate-limits': 'false',
    'log-level': 'warn',
  }).flatMap(([name, value]) => [`--${name}`, value]);
  const nodes = await Promise.all(
    ports.map(async (port, index): Promise<ServiceNode> => {
      const file = join(directory, `inside-${index}`);
      const server = resources.use(
        await startServer({
          args: [...place, ...rules, '--port', `${port}`],
          env: {
            LINKSPAN_SERVER_STORE: store,
            NODE_OPTIONS: `--import=${INSIDE}`,
            BENCH_INSIDE: file,
          },
        }),
      );
      const { url } = server.ready as { url: string };
      return { server, url, inside: (since) => readInside(file, since) };
    }),
  );
  const database = new pg.Client({ connectionString: store, application_name: 'load' });
  await database.connect();
  resources.defer(() => database.end());
  const { rows } = await database.query<{ pid: number }>('select pg_backend_pid() as pid');
  const postmaster = parentOf(rows[0]?.pid ?? 0);
  const mongodb = [destination, ...sources].flatMap(({ uri }) =>
    pidsWithArguments('--port', `${portOf(uri)}`),
  );
  const owned = resources.move();
  return {
    directory,
    sources,
    destination,
    nodes,
    credentials: apiKey,
    database,
    pids: { postgresql: () => withChildren(postmaster), mongodb: () => mongodb },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function readInside(file: string, since: number): InsideReading[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as InsideReading)
    .filter(({ at }) => at > since);
}
