import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import {
  type LinkedPair,
  startFurtherHost,
  startLinkedPair,
} from '@linkspan/testkit/linkedPair.ts';
import {
  DESTINATION_CLUSTER,
  expectBody,
  MIGRATION_HOST,
  migrationRequest,
} from '@linkspan/testkit/migrationCalls.ts';
import { expect, it } from 'vitest';
import { Writer } from './writer.ts';

const SECOND = 'second-host.example.net';
const THIRD = 'third-host.example.net';

const ROWS = 6000;
/** Documents a second until a host is lost: slow enough to lose it in the middle of a copy. */
const THROTTLE = { documentsPerSecond: 500 };

/** Starts a migration of some databases, whose host the server picks. */
async function start(pair: LinkedPair, clusterName: string, include: string[]): Promise<string> {
  const { migrationHosts: _named, ...body } = migrationRequest(pair.projectId);
  const destination = { clusterName, groupId: pair.projectId };
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations`;
  const request = { body: { ...body, destination, namespaces: { include }, throttle: THROTTLE } };
  return (await expectBody<{ _id: string }>(pair.api.post(path, request)))._id;
}

async function move(pair: LinkedPair, id: string, migrationHost: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${pair.projectId}/liveMigrations/${id}/move`;
  await expectBody(pair.api.post(path, { body: { migrationHost } }));
}

async function untilReady(pair: LinkedPair, id: string, host: string): Promise<void> {
  const { migrationHosts } = await pair.until(
    id,
    `ready on ${host}`,
    ({ readyForCutover }) => readyForCutover,
    120_000,
  );
  expect(migrationHosts).toEqual([host]);
}

/** Collections whose order, keys or rules make a takeover wrong if they are taken for others. */
async function furnish(pair: LinkedPair): Promise<void> {
  const app = pair.source.client().db('app');
  const rows = Array.from({ length: ROWS }, (_, n) => ({ _id: n, padding: 'x'.repeat(200) }));
  await app.collection<{ _id: number; padding: string }>('rows').insertMany(rows);
  const collation = { locale: 'en', strength: 2 };
  const collated = await app.createCollection<{ _id: string; n: number }>('collated', {
    collation,
  });
  await collated.insertMany([
    { _id: 'a', n: 1 },
    { _id: 'b', n: 2 },
  ]);
  const capped = { capped: true, size: 65_536 } as const;
  const log = await app.createCollection<{ _id: number }>('log', capped);
  await log.insertMany(Array.from({ length: 20 }, (_, n) => ({ _id: n })));
  await app.createCollection('some', {
    viewOn: 'rows',
    pipeline: [{ $match: { _id: { $lt: 5 } } }],
  });
  for (const name of ['dropped', 'renamed', 'replaced']) {
    await app.collection<{ _id: number }>(name).insertMany([{ _id: 1 }, { _id: 2 }]);
  }
  await app.collection('replaced').createIndex({ n: 1 }, { unique: true, sparse: true });
  const other = pair.source.client().db('other').collection<{ _id: number }>('things');
  await other.insertMany(Array.from({ length: 100 }, (_, n) => ({ _id: n })));
}

/** While nobody follows the source. */
async function changeUnseen(pair: LinkedPair): Promise<void> {
  const app = pair.source.client().db('app');
  await app.collection<{ _id: number }>('rows').deleteMany({ _id: { $lt: 50 } });
  await app
    .collection<{ _id: number }>('rows')
    .updateMany({ _id: { $lt: 80 } }, { $set: { seen: false } });
  const collated = app.collection<{ _id: string }>('collated');
  await collated.deleteOne({ _id: 'a' });
  await collated.insertOne({ _id: 'A' });
  await app.collection<{ _id: number }>('log').insertOne({ _id: 100 });
  await app.collection('dropped').drop();
  await app.collection('renamed').rename('renamed2');
  await app.collection('replaced').drop();
  const collation = { locale: 'fr' };
  const made = await app.createCollection<{ _id: number }>('replaced', { collation });
  await made.insertOne({ _id: 3 });
}

it.concurrent('D11, I5: hosts of a link share migrations, and one that is lost with all of its state is replaced', async () => {
  await using pair = await startLinkedPair();
  await furnish(pair);
  const path = `/api/linkspan/v1/groups/${pair.projectId}/clusters`;
  const body = { name: 'second', connectionString: pair.destination.uri };
  await expectBody(pair.api.post(path, { body }));
  await using second = await startFurtherHost(pair, SECOND);
  const big = await start(pair, DESTINATION_CLUSTER, ['app']);
  const small = await start(pair, 'second', ['other']);
  const hostOf = async (id: string) => (await pair.describe(id)).migrationHosts[0] ?? '';
  const lost = await hostOf(big);
  const left = await hostOf(small);
  expect([lost, left].toSorted()).toEqual([MIGRATION_HOST, SECOND]);
  const first = { agent: pair.agent, stateDir: `${pair.directory}/agent` };
  const [losing, taking] = lost === MIGRATION_HOST ? [first, second] : [second, first];

  const there = pair.destination.client().db('app').collection('rows');
  await expect
    .poll(() => there.estimatedDocumentCount(), { timeout: 30_000 })
    .toBeGreaterThanOrEqual(1000);
  await losing.agent.kill();
  expect(await there.estimatedDocumentCount()).toBeLessThan(ROWS);
  await pair.unthrottle(big);
  await rm(losing.stateDir, { recursive: true });
  await changeUnseen(pair);
  await move(pair, big, left);
  const moved = await pair.describe(big);
  expect(moved.warnings.join()).toContain(`from migration host ${lost} to ${left}`);
  await untilReady(pair, big, left);
  await untilReady(pair, small, left);
  const taken = await taking.agent.log();
  expect(taken).toContain('the work of an earlier host is taken over');

  // In mid-tail, of a host that stands still and comes back.
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  await using third = await startFurtherHost(pair, THIRD);
  taking.agent.suspend();
  const { rounds } = writer;
  while (writer.rounds < rounds + 50) await delay(10);
  await move(pair, big, THIRD);
  await untilReady(pair, big, THIRD);
  const resumed = Date.now();
  taking.agent.resume();
  await pair.until(
    small,
    'a report of the host that came back',
    ({ progressReported }) => Date.parse(progressReported ?? '') > resumed,
  );
  await untilReady(pair, big, THIRD);

  // Given back: its journal is older than what the third host has pushed.
  await third.agent.kill();
  await move(pair, big, left);
  await writer.stop();
  await untilReady(pair, big, left);
  expect(await taking.agent.log()).toContain('its journal here is begun anew');
  await pair.cutOver(big);
  await pair.cutOver(small);
  const { differences } = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(differences).toEqual([]);
}, 240_000);

/** The least that a server takes: three heartbeats. */
const SILENCE_SECONDS = 60;

// Beside the other one: nearly all of it is waiting.
it.concurrent('D11, I3, I5: a tracking host that is killed with its journal is replaced by itself, through repair', async () => {
  await using pair = await startLinkedPair({
    serverArgs: ['--host-silence-seconds', String(SILENCE_SECONDS)],
  });
  const rows = pair.source.client().db('app').collection<{ _id: number; seen?: boolean }>('rows');
  await rows.insertMany(Array.from({ length: ROWS }, (_, _id) => ({ _id })));
  await using second = await startFurtherHost(pair, SECOND);
  const id = await pair.start({ throttle: THROTTLE });
  const there = pair.destination.client().db('app').collection('rows');
  await expect
    .poll(() => there.estimatedDocumentCount(), { timeout: 30_000 })
    .toBeGreaterThanOrEqual(1000);
  const writer = new Writer(pair.source.client(), 'app', 'rows');
  await pair.agent.kill();
  expect(await there.estimatedDocumentCount()).toBeLessThan(ROWS);
  await pair.unthrottle(id);
  await rm(`${pair.directory}/agent`, { recursive: true });
  await rows.deleteMany({ _id: { $lt: 50 } });
  await rows.updateMany({ _id: { $lt: 80 } }, { $set: { seen: false } });
  const isGiven = ({ migrationHosts }: { migrationHosts: readonly string[] }): boolean =>
    migrationHosts[0] === SECOND;
  const { warnings } = await pair.until(id, `given to ${SECOND}`, isGiven, 180_000);
  expect(warnings.join()).toContain(`from migration host ${MIGRATION_HOST} to ${SECOND}`);
  expect(warnings.join()).toContain('was silent for');
  await untilReady(pair, id, SECOND);
  await writer.stop();
  await pair.cutOver(id);
  expect(await second.agent.log()).toContain('the work of an earlier host is taken over');
  const { differences } = await compareClusters(pair.source.uri, pair.destination.uri);
  expect(differences).toEqual([]);
}, 300_000);
