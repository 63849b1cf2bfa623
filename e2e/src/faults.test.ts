import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { makeTestClock, type TestClock } from '@linkspan/testkit/clock.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import {
  failCommands,
  INTERRUPTED_AT_SHUTDOWN,
  NOT_WRITABLE_PRIMARY,
  stepDown,
  UNAUTHORIZED,
} from '@linkspan/testkit/failPoints.ts';
import { type LinkedPair, type Network, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { runLinkspan, startAgent } from '@linkspan/testkit/processes.ts';
import type { Proxy } from '@linkspan/testkit/proxy.ts';
import { mountSmallDisk, NO_SMALL_DISK, type SmallDisk } from '@linkspan/testkit/smallDisk.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { Writer } from './writer.ts';

const ROWS = 3000;
const DISK_MEGABYTES = 64;
const TEXT = 'x'.repeat(300);

/** All tests share one of each, as one deployment has them; each moves its own migration. */
const resources = new AsyncDisposableStack();
let source: MongoDB;
let destination: MongoDB;
let pair: LinkedPair;
let network: Network;
let clock: TestClock;
let disk: SmallDisk | null;

beforeAll(async () => {
  source = resources.use(await startMongoDB({ name: 'source' }));
  destination = resources.use(await startMongoDB({ name: 'destination' }));
  clock = resources.use(await makeTestClock());
  disk = await mountSmallDisk(DISK_MEGABYTES);
  if (disk !== null) resources.use(disk);
  pair = resources.use(
    await startLinkedPair({
      source,
      destination,
      proxied: true,
      agentEnv: clock.env,
      serverEnv: clock.env,
      ...(disk === null ? {} : { agentStateDir: join(disk.directory, 'agent') }),
    }),
  );
  network = pair.network as Network;
});

afterAll(() => resources.disposeAsync());

beforeEach(async () => {
  const app = source.client().db('app');
  await app.dropDatabase();
  await app.collection<{ _id: number; text: string }>('rows').insertMany(
    Array.from({ length: ROWS }, (_, _id) => ({ _id, text: TEXT })),
    { writeConcern: { w: 'majority', j: true } },
  );
});

/** What a failed test has broken is whole again for the next one. */
afterEach(async () => {
  for (const link of Object.values(network) as Proxy[]) await link.heal();
  await disk?.free();
});

const start = (): Promise<string> => pair.start({ dropDestinationData: true });

const writeInto = (mongodb: MongoDB): Writer => new Writer(mongodb.client(), 'app', 'rows');

async function rounds(writer: Writer, more: number): Promise<void> {
  const wanted = writer.rounds + more;
  while (writer.rounds < wanted) await delay(5);
}

const tailing = (id: string) =>
  pair.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING', 120_000);

/** The newest entry of the source's oplog that is a write. */
async function lastWrite(): Promise<object> {
  const oplog = source.client().db('local').collection('oplog.rs');
  const [newest] = await oplog
    .find({ op: { $ne: 'n' } })
    .sort({ $natural: -1 })
    .limit(1)
    .project({ ts: 1, op: 1, ns: 1, o: 1 })
    .toArray();
  return newest as object;
}

/** Stops the writing, cuts over, compares, and looks whether the migration has written to its source. */
async function finish(id: string, writer: Writer): Promise<void> {
  await writer.stop();
  const last = await lastWrite();
  await pair.cutOver(id);
  expect(await lastWrite(), 'I7').toEqual(last);
  const { differences } = await compareClusters(source.uri, destination.uri);
  expect(differences).toEqual([]);
}

const waitingFor = (id: string, what: RegExp) =>
  pair.until(id, String(what), ({ progress }) => what.test(progress?.waitingFor ?? ''));

it('I2, I4, I7: connections that are reset in mid-batch, cut, refused, and answers that are lost', async () => {
  const writer = writeInto(source);
  const id = await start();
  network.destination.resetAfter('up', 100_000);
  network.server.resetAfter('up', 30_000);
  network.source.resetAfter('down', 300_000);
  await tailing(id);
  for (const link of Object.values(network)) {
    link.resetAfter('down', 0);
    await rounds(writer, 15);
    link.cut();
    await rounds(writer, 15);
  }
  for (const link of Object.values(network)) {
    await link.refuse();
    await rounds(writer, 15);
    await link.heal();
  }
  await finish(id, writer);
});

it('I5: requests of an agent that was killed come late, when the next one pushes', async () => {
  const { server } = network;
  const writer = writeInto(source);
  const id = await start();
  await tailing(id);
  server.freeze();
  await rounds(writer, 30);
  expect(server.held).toBeGreaterThan(0);
  await pair.agent.kill();
  const restarted = pair.agent.restart();
  await delay(300);
  await server.heal();
  await restarted;
  await rounds(writer, 30);
  await finish(id, writer);
});

it('I3: kill -9 of source and destination, in mid-copy and in mid-tail', async ({ skip }) => {
  skip(!source.capabilities.control, 'needs servers that this process started');
  const id = await start();
  await destination.kill();
  await waitingFor(id, /destination/);
  await destination.restart();
  await source.kill();
  await waitingFor(id, /source|stream|127\.0\.0\.1/);
  await source.restart();
  await tailing(id);
  for (const mongodb of [source, destination]) {
    const writer = writeInto(source);
    await rounds(writer, 20);
    await writer.stop();
    await mongodb.restart();
  }
  await finish(id, writeInto(source));
});

it('Hazard 13: errors that pass are tried again, and those that do not are shown', async ({
  skip,
}) => {
  skip(!destination.capabilities.failCommand, 'needs failCommand');
  const writer = writeInto(source);
  const failCreate = ['create', 'createIndexes', 'insert'];
  await failCommands(destination, { failCommands: failCreate, closeConnection: true }, 2);
  await failCommands(source, { failCommands: ['find'], errorCode: INTERRUPTED_AT_SHUTDOWN }, 3);
  const id = await start();
  await tailing(id);
  const appName = 'linkspan-agent';
  const writes = ['insert', 'update', 'delete'];
  // As often as takes seconds, with the pauses between: a report is sent every second.
  await failCommands(destination, { failCommands: writes, errorCode: NOT_WRITABLE_PRIMARY }, 16);
  await failCommands(source, { failCommands: ['getMore'], closeConnection: true, appName }, 3);
  await waitingFor(id, /cluster destination: .*failCommand/);
  await failCommands(destination, { failCommands: writes, errorCode: UNAUTHORIZED }, 8);
  await waitingFor(id, /pushing changes of app\.rows: .*failCommand/);
  const writeConcernError = { code: 91, errmsg: 'the primary is shutting down' };
  await failCommands(destination, { failCommands: writes, writeConcernError }, 3);
  await rounds(writer, 15);
  await finish(id, writer);
});

it('Hazard 13: a primary that steps down, on both sides', async ({ skip }) => {
  skip(!source.capabilities.control, 'needs servers that this process started');
  const id = await start();
  await tailing(id);
  for (const mongodb of [source, destination]) {
    const writer = writeInto(source);
    await rounds(writer, 20);
    await writer.stop();
    await stepDown(mongodb, 1);
    const admin = mongodb.client().db('admin');
    while (!(await admin.command({ hello: 1 }))['isWritablePrimary']) await delay(50);
  }
  await finish(id, writeInto(source));
});

it('I4: a full disk under the journal is said, loses nothing, and is over by itself', async ({
  skip,
}) => {
  if (disk === null) return skip(NO_SMALL_DISK);
  const writer = writeInto(source);
  const id = await start();
  await tailing(id);
  network.destination.freeze();
  await disk.fill();
  // More than the journal's file has room for by itself: what is pushed makes room for what follows.
  const wide = source.client().db('app').collection<{ _id: string }>('wide');
  await wide.insertMany(
    Array.from({ length: 6000 }, (_, number) => ({ _id: String(number).padEnd(300, 'k') })),
    { writeConcern: { w: 'majority', j: true } },
  );
  const full = await waitingFor(id, /disk of the journal .* is full|cannot be written/);
  expect(full.readyForCutover).toBe(false);
  await pair.agent.restart();
  await waitingFor(id, /disk of the journal .* is full|cannot be written/);
  await disk.free();
  await network.destination.heal();
  await rounds(writer, 20);
  await finish(id, writer);
});

it('I8: clocks of agent and server that jump change neither what is moved nor the lag', async () => {
  const writer = writeInto(source);
  const id = await start();
  await tailing(id);
  for (const hours of [30, -30]) {
    clock.jumpTo(hours * 3_600_000);
    // A report from before the jump is one of another time: the lag is shown by the next one.
    await delay(1500);
    await rounds(writer, 10);
    const isSmall = ({ lagTimeSeconds }: LiveMigrationDetail): boolean =>
      lagTimeSeconds !== null && lagTimeSeconds < 20;
    await pair.until(id, 'a lag of seconds', isSmall, 3000);
  }
  clock.jumpTo(0);
  await finish(id, writer);
});

it('Hazard 14, I5: two agents with one state directory, and with a copy of it', async () => {
  const writer = writeInto(source);
  const id = await start();
  await tailing(id);
  const config = ['--config', join(pair.directory, 'agent.yaml')];
  const own = disk === null ? join(pair.directory, 'agent') : join(disk.directory, 'agent');
  const second = await runLinkspan(['agent', ...config, '--state-dir', own]);
  expect(second.code).not.toBe(0);
  expect(second.stdout + second.stderr).toContain(
    'another linkspan agent uses the state directory',
  );

  const copy = join(pair.directory, 'copy');
  await cp(own, copy, { recursive: true });
  {
    await using _thief = await startAgent({ args: [...config, '--state-dir', copy] });
    await expect.poll(() => pair.agent.log()).toContain('another process took over');
    await rounds(writer, 20);
  }
  await pair.agent.restart();
  await rounds(writer, 10);
  await finish(id, writer);
});
