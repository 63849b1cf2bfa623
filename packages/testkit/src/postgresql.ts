import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { spawnGuarded, type Guarded } from './guarded.ts';
import { freePort, untilListening } from './ports.ts';

const run = promisify(execFile);

const START_TIMEOUT_MS = 60_000;

/** Where Debian and its like put the server's own programs, one directory a version. */
const INSTALLED = '/usr/lib/postgresql';

const SEARCH_PATH = '-csearch_path=';

/** What a newcomer reads, and the name of what is skipped. */
export const NO_POSTGRESQL =
  'there is no PostgreSQL: install it, or set LINKSPAN_TEST_POSTGRESQL to the URL of one whose user may create databases';

/** A real PostgreSQL, with databases of their own for tests. */
export interface PostgreSQL extends AsyncDisposable {
  /** Of its database `postgres`. */
  readonly url: string;
  /** True where {@link kill} and {@link restart} work: this process started it. */
  readonly control: boolean;
  /** Makes an empty database. @returns its URL */
  createDatabase(): Promise<string>;
  dropDatabase(url: string): Promise<void>;
  /** Makes an empty schema in {@link url}'s database, which is much cheaper. @returns its URL */
  createSchema(): Promise<string>;
  dropSchema(url: string): Promise<void>;
  /** SIGKILL; settles when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, killing it first if it runs. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Whether {@link startPostgreSQL} can start one here. */
export function hasPostgreSQL(): boolean {
  return (process.env['LINKSPAN_TEST_POSTGRESQL'] ?? '') !== '' || binaries() !== null;
}

/** A server that runs already: databases can be made there, nothing else. */
export function usePostgreSQL(url: string): PostgreSQL {
  const uncontrolled = async (): Promise<void> => {
    throw new Error(
      'this PostgreSQL was not started by the test: it cannot be killed or restarted',
    );
  };
  const stop = async (): Promise<void> => {};
  return {
    ...databasesOf(url),
    control: false,
    kill: uncontrolled,
    restart: uncontrolled,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/**
 * Starts a PostgreSQL for tests: the one that LINKSPAN_TEST_POSTGRESQL names, else the local binaries
 * on a temporary directory, as another user where this one is root, which they refuse. Commits are
 * durable there too. It ends with this process in any case.
 * @throws {Error} {@link NO_POSTGRESQL}
 */
export async function startPostgreSQL(): Promise<PostgreSQL> {
  const given = process.env['LINKSPAN_TEST_POSTGRESQL'] ?? '';
  if (given !== '') return usePostgreSQL(given);
  const bin = binaries();
  if (bin === null) throw new Error(NO_POSTGRESQL);
  const user = await unprivileged();
  const directory = await mkdtemp(join(tmpdir(), 'linkspan-postgresql-'));
  if (user !== null) await chown(directory, user.uid, user.gid);
  await chmod(directory, 0o755);
  const data = join(directory, 'data');
  const logFile = join(directory, 'postgresql.log');
  const port = await freePort();
  const initdb = ['-D', data, '-U', 'linkspan', '-A', 'trust', '-E', 'UTF8', '--no-locale'];
  await run(join(bin, 'initdb'), [...initdb, '--no-sync'], { cwd: directory, ...user });
  const launch = async (): Promise<Guarded> => {
    const settings = {
      listen_addresses: '127.0.0.1',
      port: `${port}`,
      unix_socket_directories: directory,
      max_connections: '300',
      shared_buffers: '64MB',
    };
    const child = await spawnGuarded({
      command: join(bin, 'postgres'),
      args: ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
      cwd: directory,
      logFile,
      removeOnLoss: directory,
      ...(user === null ? {} : { user }),
    });
    await ready(child, port, url);
    return child;
  };
  const url = `postgres://linkspan@127.0.0.1:${port}/postgres`;
  let child = await launch();
  const stop = async (): Promise<void> => {
    await child.kill();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    ...databasesOf(url),
    control: true,
    kill: () => child.kill(),
    async restart() {
      await child.kill();
      child = await launch();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function databasesOf(
  url: string,
): Pick<PostgreSQL, 'url' | 'createDatabase' | 'dropDatabase' | 'createSchema' | 'dropSchema'> {
  const newName = () => `linkspan_test_${randomBytes(6).toString('hex')}`;
  const databaseOf = (made: string) => new URL(made).pathname.slice(1);
  const schemaOf = (made: string) =>
    (new URL(made).searchParams.get('options') ?? '').slice(SEARCH_PATH.length);
  return {
    url,
    async createDatabase() {
      const name = newName();
      await administer(url, `create database ${name}`);
      const made = new URL(url);
      made.pathname = `/${name}`;
      return made.href;
    },
    dropDatabase: (made) =>
      administer(url, `drop database if exists ${databaseOf(made)} with (force)`),
    async createSchema() {
      const name = newName();
      await administer(url, `create schema ${name}`);
      const made = new URL(url);
      made.searchParams.set('options', `${SEARCH_PATH}${name}`);
      return made.href;
    },
    dropSchema: (made) => administer(url, `drop schema if exists ${schemaOf(made)} cascade`),
  };
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}

/** The path of a program that comes with the local server, as `pg_dump`; null without one. */
export function postgresqlProgram(name: string): string | null {
  const bin = binaries();
  return bin === null ? null : join(bin, name);
}

/** The directory of the newest version's programs. */
function binaries(): string | null {
  if (!existsSync(INSTALLED)) return null;
  const versions = readdirSync(INSTALLED)
    .filter((name) => existsSync(join(INSTALLED, name, 'bin', 'initdb')))
    .toSorted((a, b) => Number(b) - Number(a));
  return versions[0] === undefined ? null : join(INSTALLED, versions[0], 'bin');
}

/** Another user to run as, where this one is root: the programs refuse root. */
async function unprivileged(): Promise<{ uid: number; gid: number } | null> {
  if (process.getuid?.() !== 0) return null;
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
      return { uid: Number(uid.stdout), gid: Number(gid.stdout) };
    } catch {
      continue;
    }
  }
  throw new Error('PostgreSQL refuses root, and there is neither a user postgres nor nobody');
}

async function ready(child: Guarded, port: number, url: string): Promise<void> {
  const signal = AbortSignal.timeout(START_TIMEOUT_MS);
  const ended = new AbortController();
  void child.exited.then((code) => ended.abort(new Error(`it ended with exit code ${code}`)));
  const either = AbortSignal.any([signal, ended.signal]);
  try {
    await untilListening(port, either);
    for (;;) {
      either.throwIfAborted();
      // It listens a while before it answers, longest after a crash.
      const refused = await administer(url, 'select 1').then(
        () => false,
        () => true,
      );
      if (!refused) return;
    }
  } catch (error) {
    throw new Error(
      `PostgreSQL did not start: ${String(error)}. Its log ends:\n${await child.logTail()}`,
      { cause: error },
    );
  }
}
