import { randomBytes } from 'node:crypto';
import { accessSync, constants, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

import { MongoClient, type MongoClientOptions } from 'mongodb';

import type { Issued } from './certificates.ts';
import { spawnGuarded, type Guarded } from './guarded.ts';
import { mongodArguments, secantusArguments, tlsArguments } from './mongodbArguments.ts';
import { freePort, untilListening } from './ports.ts';
import { prepareSecantus } from './secantus.ts';

const START_TIMEOUT_MS = 60_000;

export interface MongoDBOptions {
  /**
   * `source` and `destination` take LINKSPAN_TEST_MONGODB_SOURCE and
   * LINKSPAN_TEST_MONGODB_DESTINATION where set: every user database there is dropped first.
   */
  readonly name?: string;
  /** Where data and log go; a temporary directory if absent. */
  readonly dataDir?: string;
  /** Leaves the directory in place at {@link MongoDB.stop}. */
  readonly keep?: boolean;
  readonly port?: number;
  /** failCommand and its like; on if absent. */
  readonly testCommands?: boolean;
  /** Operations that the oplog of a SecantusDB keeps: few of them make it roll over. A `mongod` keeps 990 MB at least. */
  readonly oplogEntries?: number;
  /** Demands SCRAM from clients; this user is made first, with the role `root`. */
  readonly auth?: { readonly username: string; readonly password: string };
  /** Speaks TLS alone, with this certificate for 127.0.0.1. With `auth`, whose user is made before. */
  readonly tls?: Issued & { readonly caFile: string };
}

/** What a server does that another one does not. Tests that need more say by name that they skip. */
export interface Capabilities {
  /** {@link MongoDB.kill} and {@link MongoDB.restart} work: this process started the server. */
  readonly control: boolean;
  /** configureFailPoint with failCommand. */
  readonly failCommand: boolean;
  /** Reads wait for afterClusterTime (rule D6). */
  readonly afterClusterTime: boolean;
  /** Reads with a wrong collectionUUID are refused (rule D7). */
  readonly collectionUUID: boolean;
  /** An older txnNumber of an lsid is refused (rule D14). */
  readonly transactionOrder: boolean;
  /** Strings that are not UTF-8, and dates of any year, are stored as they are. */
  readonly anyBytes: boolean;
  /** Buckets of time series send no change events (rule D20). */
  readonly silentTimeSeries: boolean;
  /** setUserWriteBlockMode (rule D23). */
  readonly userWriteBlock: boolean;
}

const MONGOD: Omit<Capabilities, 'control' | 'failCommand'> = {
  afterClusterTime: true,
  collectionUUID: true,
  transactionOrder: true,
  anyBytes: true,
  silentTimeSeries: true,
  userWriteBlock: true,
};
const SECANTUS: typeof MONGOD = {
  afterClusterTime: false,
  collectionUUID: false,
  transactionOrder: false,
  anyBytes: false,
  silentTimeSeries: false,
  userWriteBlock: false,
};

/** A real server that speaks MongoDB's wire protocol: a replica set of one node. */
export interface MongoDB extends AsyncDisposable {
  /** With the credentials of `auth`, and what `tls` takes save for the authority's file. */
  readonly uri: string;
  /** Of `tls`. */
  readonly caFile: string | null;
  readonly server: 'mongod' | 'SecantusDB';
  readonly capabilities: Capabilities;
  /** The log file, or null for a server that was there already. */
  readonly logFile: string | null;
  /** One client for the life of the server, closed by {@link stop}. */
  client(): MongoClient;
  /** SIGKILL; settles when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same port and data, killing it first if it runs. */
  restart(): Promise<void>;
  /** SIGSTOP: it does nothing more, and keeps its connections. */
  suspend(): void;
  /** SIGCONT. */
  resume(): void;
  stop(): Promise<void>;
}

/**
 * Starts a MongoDB for a test: the server that the environment names, else `mongod` of the PATH,
 * else SecantusDB. It ends with this process in any case.
 * @throws {Error} one clear sentence if none of the three is there
 */
export async function startMongoDB(options: MongoDBOptions = {}): Promise<MongoDB> {
  const given = givenUri(options.name);
  if (given !== undefined) return useGiven(given);

  const mongod = onPath('mongod');
  const python = mongod === null ? await prepareSecantus() : null;
  const replicaSet = mongod === null ? 'secantus' : 'linkspan';
  const directory =
    options.dataDir ??
    (await mkdtemp(join(tmpdir(), `linkspan-mongodb-${options.name ?? 'test'}-`)));
  const data = join(directory, 'data');
  await mkdir(data, { recursive: true });
  const logFile = join(directory, 'mongodb.log');
  const port = options.port ?? (await freePort());
  const address = `127.0.0.1:${port}`;
  const credentials =
    options.auth === undefined
      ? ''
      : `${encodeURIComponent(options.auth.username)}:${encodeURIComponent(options.auth.password)}@`;
  const { tls = null } = options;
  const plainUri = `mongodb://${credentials}${address}/?replicaSet=${replicaSet}`;
  const uri = tls === null ? plainUri : `${plainUri}&tls=true`;
  const pairFile = join(directory, 'server.pem');
  if (tls !== null) {
    const pair = [readFileSync(tls.certFile), readFileSync(tls.keyFile)];
    await writeFile(pairFile, Buffer.concat(pair), { mode: 0o600 });
  }
  const keyFile = join(directory, 'keyfile');
  if (options.auth !== undefined && mongod !== null) {
    await writeFile(keyFile, randomBytes(96).toString('base64'), { mode: 0o600 });
  }

  const { oplogEntries = 10_000_000 } = options;
  // The first user is made without TLS, too.
  const launch = async (auth: boolean): Promise<Guarded> => {
    const isTls = tls !== null && (auth || options.auth === undefined);
    const tlsArgs = isTls ? tlsArguments(tls, mongod === null ? null : pairFile) : [];
    const testCommands = options.testCommands ?? true;
    const [command, args] =
      mongod === null
        ? ([
            python as string,
            secantusArguments(port, data, testCommands, auth, oplogEntries),
          ] as const)
        : ([mongod, mongodArguments(port, data, testCommands, auth ? keyFile : null)] as const);
    const child = await spawnGuarded({
      command,
      args: [...args, ...tlsArgs],
      cwd: directory,
      logFile,
      ...(options.keep === true ? {} : { removeOnLoss: directory }),
    });
    try {
      await ready(child, port, mongod === null ? null : replicaSet, isTls ? tls.caFile : null);
    } catch (error) {
      await child.kill();
      if (options.keep !== true) await rm(directory, { recursive: true, force: true });
      throw error;
    }
    return child;
  };

  let child: Guarded;
  if (options.auth === undefined) {
    child = await launch(false);
  } else {
    child = await launch(false);
    await createUser(address, options.auth);
    await child.terminate(10_000);
    child = await launch(true);
  }

  let client: MongoClient | null = null;
  const stop = async (): Promise<void> => {
    await client?.close();
    client = null;
    if (options.keep === true) {
      await child.terminate(10_000);
      return;
    }
    await child.kill();
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  };
  return {
    uri,
    caFile: tls?.caFile ?? null,
    server: mongod === null ? 'SecantusDB' : 'mongod',
    capabilities: {
      ...(mongod === null ? SECANTUS : MONGOD),
      control: true,
      failCommand: options.testCommands ?? true,
    },
    logFile,
    client: () => (client ??= new MongoClient(uri, trusting(tls?.caFile ?? null))),
    kill: () => child.kill(),
    async restart() {
      await child.kill();
      child = await launch(options.auth !== undefined);
    },
    suspend: () => child.suspend(),
    resume: () => child.resume(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** Does the slow part (an installation, at most once a machine) ahead of the first test. */
export async function prepareMongoDB(): Promise<void> {
  if (givenUri('source') !== undefined && givenUri('destination') !== undefined) return;
  if (onPath('mongod') === null) await prepareSecantus();
}

function givenUri(name: string | undefined): string | undefined {
  if (name === 'source') return process.env['LINKSPAN_TEST_MONGODB_SOURCE'];
  if (name === 'destination') return process.env['LINKSPAN_TEST_MONGODB_DESTINATION'];
  return undefined;
}

async function useGiven(uri: string): Promise<MongoDB> {
  const client = new MongoClient(uri);
  const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
  for (const { name } of databases) {
    if (!['admin', 'config', 'local'].includes(name)) await client.db(name).dropDatabase();
  }
  const info = await client.db('admin').command({ buildInfo: 1 });
  const secantus = JSON.stringify(info).toLowerCase().includes('secantus');
  const uncontrolled = (): never => {
    throw new Error('this MongoDB was not started by the test: it cannot be killed or restarted');
  };
  const stop = (): Promise<void> => client.close();
  return {
    uri,
    caFile: null,
    server: secantus ? 'SecantusDB' : 'mongod',
    capabilities: { ...(secantus ? SECANTUS : MONGOD), control: false, failCommand: false },
    logFile: null,
    client: () => client,
    kill: async () => uncontrolled(),
    restart: async () => uncontrolled(),
    suspend: uncontrolled,
    resume: uncontrolled,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

function onPath(command: string): string | null {
  for (const directory of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(directory, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      continue;
    }
  }
  return null;
}

function trusting(caFile: string | null): MongoClientOptions {
  return caFile === null ? {} : { tls: true, tlsCAFile: caFile };
}

/** Waits until the server takes writes; initiates the replica set of a `mongod` that is new. */
async function ready(
  child: Guarded,
  port: number,
  replicaSet: string | null,
  caFile: string | null,
): Promise<void> {
  const giveUp = new AbortController();
  const timer = setTimeout(
    () => giveUp.abort(new Error(`it did not listen within ${START_TIMEOUT_MS / 1000} s`)),
    START_TIMEOUT_MS,
  );
  void child.exited.then((code) => giveUp.abort(new Error(`it ended with exit code ${code}`)));
  try {
    await untilListening(port, giveUp.signal);
    if (replicaSet !== null) await initiate(port, replicaSet, caFile, giveUp.signal);
  } catch {
    const reason = giveUp.signal.aborted ? String(giveUp.signal.reason) : 'it failed';
    throw new Error(`MongoDB did not start: ${reason}. Its log ends:\n${await child.logTail()}`);
  } finally {
    clearTimeout(timer);
  }
}

async function initiate(
  port: number,
  replicaSet: string,
  caFile: string | null,
  signal: AbortSignal,
): Promise<void> {
  const uri = `mongodb://127.0.0.1:${port}/?directConnection=true`;
  const direct = new MongoClient(uri, trusting(caFile));
  try {
    const admin = direct.db('admin');
    const members = [{ _id: 0, host: `127.0.0.1:${port}` }];
    await admin
      .command({ replSetInitiate: { _id: replicaSet, members } })
      // Already initiated, or not without credentials: then it was initiated before.
      .catch(() => undefined);
    while (!(await admin.command({ hello: 1 }))['isWritablePrimary']) signal.throwIfAborted();
  } finally {
    await direct.close();
  }
}

async function createUser(
  address: string,
  auth: { readonly username: string; readonly password: string },
): Promise<void> {
  const client = new MongoClient(`mongodb://${address}/?directConnection=true`);
  try {
    await client
      .db('admin')
      .command({ createUser: auth.username, pwd: auth.password, roles: ['root'] });
  } finally {
    await client.close();
  }
}
