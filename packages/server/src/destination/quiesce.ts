import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';

import { bucketsOf, type Namespace } from '@linkspan/contract/push/namespaces.ts';
import type { Document, MongoClient } from 'mongodb';
import { ConnectionString } from 'mongodb-connection-string-url';

import { abortBuild } from './abortBuild.ts';
import { connect, type AddressCheck } from './connect.ts';
import { WRITE_CONCERN } from './destination.ts';
import { obstacleOf } from './errors.ts';

const ASKING = 'linkspan-fence';
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
/** How long an abort of a build may take at the server, in milliseconds. */
const ABORT_MS = 60_000;

export interface QuiesceOptions {
  /** Asked before each attempt: the password may have been changed since the last one. */
  readonly uri: () => Promise<string>;
  /** What the `appName` of the connections begins with that must be gone. */
  readonly connectionName: string;
  readonly mayConnect: AddressCheck;
  /** Where the session may have an index build under way: builds outlive their connection. */
  readonly namespaces: readonly Namespace[];
  /** False once somebody else has proven it: asked before each attempt, and again before anything is changed. */
  readonly isNeeded: () => Promise<boolean>;
  /** Told each time the proof failed, with the reason. */
  readonly onPending?: (reason: string) => void;
}

/**
 * Comes back once nothing that was sent over connections of such a name can change the destination any
 * more (rules C2, C3; the second way of D14).
 *
 * What it rests on: a server lists a connection until the command that it last read from it has
 * ended, and a driver sends the next one only after the answer, so a server that lists no connection
 * of a name has neither a command nor an unread message of it. A closed socket is no proof: a large
 * insert goes on for seconds after its writer died. A list counts only if it also shows an idle
 * connection that was opened just for that (some servers list nothing but the request itself, and a
 * user may be allowed to see less than all). On a replica set the primary is asked: what an older
 * primary still had under way ended when it stepped down. On a sharded cluster every mongos that the
 * connection string or discovery named is asked, and the shards through the first.
 *
 * A build of an index goes on without a connection, also after the primary that began it stepped down: it is
 * aborted, over connections that are named so, so that an abort whose answer was lost is waited for, too. A
 * build that somebody else who is connected asks for is left alone: what is built then is wanted.
 *
 * @throws the signal's reason, when it aborts before that is proven
 */
export async function quiesce(options: QuiesceOptions, signal: AbortSignal): Promise<void> {
  let pause = FIRST_PAUSE_MS;
  for (;;) {
    signal.throwIfAborted();
    let pending: string | null;
    try {
      pending = (await options.isNeeded()) ? await findPending(options, signal) : null;
    } catch (error) {
      signal.throwIfAborted();
      pending = obstacleOf(error);
    }
    if (pending === null) return;
    options.onPending?.(pending);
    await delay(pause, undefined, { signal }).catch(() => signal.throwIfAborted());
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

/** @returns why nothing is proven yet, or null */
async function findPending(options: QuiesceOptions, signal: AbortSignal): Promise<string | null> {
  const witnessName = `linkspan-witness-${randomBytes(8).toString('hex')}`;
  const { mayConnect } = options;
  const uri = await options.uri();
  const overrides = { maxPoolSize: 1 };
  const named = (appName: string): Cut =>
    cutBy(signal, connect(uri, { appName, mayConnect, overrides }));
  await using asking = named(ASKING);
  await using witness = named(witnessName);
  await asking.client.db('admin').command({ ping: 1 });
  await witness.client.db('admin').command({ ping: 1 });
  const mongoses = await listMongoses(asking.client);
  if (mongoses.length <= 1) return await askServer(asking.client, witnessName, options, named);
  for (const address of mongoses) {
    const there = (appName: string): Cut =>
      cutBy(signal, connectTo(address, uri, appName, mayConnect));
    await using direct = there(ASKING);
    await using beside = there(witnessName);
    await beside.client.db('admin').command({ ping: 1 });
    const pending = await askServer(direct.client, witnessName, options, there);
    if (pending !== null) return pending;
  }
  return null;
}

async function askServer(
  client: MongoClient,
  witnessName: string,
  options: QuiesceOptions,
  open: (appName: string) => Cut,
): Promise<string | null> {
  const listed = await listOperations(client, witnessName);
  if (listed === null) {
    return 'the server does not show its connections: the user needs the privilege inprog (role clusterMonitor)';
  }
  const sharded = (await client.db('admin').command({ hello: 1 }))['msg'] === 'isdbgrid';
  const onShards = sharded ? await listOnShards(client) : [];
  const all = [...listed, ...onShards];
  const standing = all.filter((operation) => isNamed(operation, options.connectionName));
  const others = [
    ...listed.filter((operation) => isOfAnother(operation, options.connectionName)),
    // A shard may list a mongos that does not say for whom it asks.
    ...onShards.filter((operation) => isOfAnother(operation, options.connectionName, 'named')),
  ];
  const theirs = new Set(buildsOf(others, options.namespaces).map(describe));
  const builds = buildsOf(all, options.namespaces).filter((build) => !theirs.has(describe(build)));
  if (builds.length > 0) {
    await using named = open(options.connectionName);
    // Nobody else proves anything while it is listed, so what is needed then is needed until it is closed.
    await named.client.db('admin').command({ ping: 1 });
    if (!(await options.isNeeded())) return null;
    for (const build of builds) await abortThere(named.client, build);
    return 'an index build is being aborted';
  }
  if (standing.length > 0) return `${standing.length} connections are still open at the server`;
  const steps = all.filter((operation) => isCoordinating(operation, options.namespaces));
  if (steps.length > 0) return `a shard is still carrying out ${String(steps[0]?.['desc'])}`;
  return null;
}

/** The ways to ask, best first. Without `allUsers` a user sees its own connections: those are ours. */
const WAYS: readonly ((client: MongoClient) => Promise<Document[]>)[] = [
  (client) => currentOp(client, { allUsers: true, idleConnections: true, localOps: true }),
  (client) => currentOp(client, { allUsers: false, idleConnections: true, localOps: true }),
  (client) => currentOp(client, { allUsers: true, idleConnections: true }),
  (client) => currentOp(client, { allUsers: false, idleConnections: true }),
  async (client) => (await client.db('admin').command({ currentOp: 1, $all: true }))['inprog'],
  async (client) => {
    const command = { currentOp: 1, $all: true, $ownOps: true };
    return (await client.db('admin').command(command))['inprog'];
  },
];

/** A list that shows the witness, or null if no way gives one. */
async function listOperations(
  client: MongoClient,
  witnessName: string,
): Promise<readonly Document[] | null> {
  let refused: unknown = null;
  let answered = false;
  for (const way of WAYS) {
    try {
      const operations = await way(client);
      answered = true;
      if (operations.some((operation) => nameOf(operation) === witnessName)) return operations;
    } catch (error) {
      refused = error;
    }
  }
  if (!answered && refused !== null) throw refused;
  return null;
}

function currentOp(client: MongoClient, stage: Document): Promise<Document[]> {
  return client
    .db('admin')
    .aggregate([{ $currentOp: stage }])
    .toArray();
}

/** What runs on the shards, for a mongos that died and left its operations behind. */
async function listOnShards(client: MongoClient): Promise<readonly Document[]> {
  return currentOp(client, { allUsers: true }).catch(() => currentOp(client, { allUsers: false }));
}

function isNamed(operation: Document, beginning: string): boolean {
  const name = nameOf(operation);
  return typeof name === 'string' && name.startsWith(beginning);
}

function nameOf(operation: Document): unknown {
  return operation['appName'] ?? operation['clientMetadata']?.application?.name;
}

/**
 * True for an operation of somebody else who is connected. Of a session that has died only the thread is left,
 * which has no client, and what is the session's has its name.
 * @param which `named`: only of a client that says its name
 */
function isOfAnother(operation: Document, connectionName: string, which?: 'named'): boolean {
  const name = nameOf(operation);
  if (typeof name === 'string') return !name.startsWith(connectionName);
  const { client, client_s: behindMongos, clientMetadata } = operation;
  return which !== 'named' && (client ?? behindMongos ?? clientMetadata) !== undefined;
}

/** A build of indexes that is under way. */
export interface Build extends Namespace {
  /** Names of all of its indexes. */
  readonly names: readonly string[];
}

/**
 * The build that an operation is part of, in one of the namespaces, or null. A `mongod` lists the command that
 * began it, while its connection stands, and the thread that builds, of which it says
 * `{ op: 'command', ns: 'db.coll', command: { createIndexes: 'coll', indexes: [...] } }` without a name
 * of a client; of a time series it names the collection of buckets. Source:
 * `IndexBuildsCoordinator::updateCurOpOpDescription` of the server.
 */
export function buildOf(operation: Document, namespaces: readonly Namespace[]): Build | null {
  const { createIndexes, indexes } = (operation['command'] ?? {}) as Document;
  if (createIndexes === undefined || operation['active'] === false) return null;
  const db = String(operation['ns'] ?? '').split('.', 1)[0];
  const found = namespaces.find(
    (namespace) =>
      namespace.db === db && [namespace.coll, bucketsOf(namespace).coll].includes(createIndexes),
  );
  if (found === undefined) return null;
  const names = ((indexes ?? []) as Document[]).map(({ name }) => String(name));
  return { db: found.db, coll: found.coll, names };
}

function buildsOf(operations: readonly Document[], namespaces: readonly Namespace[]): Build[] {
  return operations.flatMap((operation) => buildOf(operation, namespaces) ?? []);
}

/** The same for the command of a client and for the thread that carries it out. */
function describe({ db, coll, names }: Build): string {
  return JSON.stringify([db, coll, ...names.toSorted()]);
}

/**
 * True for a step of a sharded cluster that goes on whatever becomes of the command that asked for it.
 * Source: `ShardingDDLCoordinator::reportForCurrentOp` of the server, which shows its namespace, and its
 * kind as `desc`, `DropCollectionCoordinator` for example.
 */
function isCoordinating(operation: Document, namespaces: readonly Namespace[]): boolean {
  const isOne = /^(Create|Drop|Rename|CollMod)\w*Coordinator/.test(String(operation['desc'] ?? ''));
  if (!isOne) return false;
  return namespaces.some(({ db, coll }) => operation['ns'] === `${db}.${coll}`);
}

async function abortThere(client: MongoClient, { db, coll, names }: Build): Promise<void> {
  // It may have ended meanwhile: the next look tells.
  const how = { maxTimeMS: ABORT_MS, writeConcern: WRITE_CONCERN };
  await abortBuild(names, (index) => client.db(db).command({ dropIndexes: coll, index, ...how }));
}

/** A mongos that has not pinged for so long is gone, in milliseconds. */
const MONGOS_SILENCE_MS = 600_000;

/** The addresses of all mongos that are known; empty for a replica set. */
async function listMongoses(client: MongoClient): Promise<string[]> {
  const hello = await client.db('admin').command({ hello: 1 });
  if (hello['msg'] !== 'isdbgrid') return [];
  const fromUri = client.options.hosts.map((host) => host.toString());
  const known = await client
    .db('config')
    .collection<{ _id: string; ping: Date }>('mongos')
    .find()
    .toArray()
    .catch(() => []);
  // Beside the newest of them, not beside the clock of this machine, which may be off.
  const newest = Math.max(...known.map(({ ping }) => ping.getTime()));
  const alive = known.filter(({ ping }) => ping.getTime() > newest - MONGOS_SILENCE_MS);
  return [...new Set([...fromUri, ...alive.map((mongos) => mongos._id)])];
}

/** The same connection string for that one address. */
function connectTo(
  address: string,
  uri: string,
  appName: string,
  mayConnect: AddressCheck,
): MongoClient {
  const connection = new ConnectionString(uri.replace(/^mongodb\+srv:/, 'mongodb:'));
  connection.hosts = [address];
  const { searchParams } = connection;
  for (const name of ['replicaSet', 'srvMaxHosts', 'srvServiceName']) searchParams.delete(name);
  if (uri.startsWith('mongodb+srv:') && !searchParams.has('tls')) searchParams.set('tls', 'true');
  const overrides = { directConnection: true, maxPoolSize: 1 };
  return connect(connection.href, { appName, mayConnect, overrides });
}

/** A client that is closed at the end of its block, or at once when the waiting ends. */
type Cut = AsyncDisposable & { readonly client: MongoClient };

function cutBy(signal: AbortSignal, client: MongoClient): Cut {
  const cut = (): void => void client.close(true);
  signal.addEventListener('abort', cut, { once: true });
  return {
    client,
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', cut);
      await client.close(true);
    },
  };
}
