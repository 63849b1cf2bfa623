import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import { startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { MongoClient } from 'mongodb';

const MEBIBYTE = 1024 * 1024;
const DATABASES = 4;
const INDEX = { key: { customer: 1 }, name: 'customer_1' } as const;
const WRITE_CONCERN = { w: 'majority', j: true } as const;

/** Of so many times the collections, this run makes the larger data set. */
const FACTOR = 4;
const LIMIT_MS = 60 * 60_000;
const IDLE_MS = 5000;

/** Every other collection holds one document; the rest are empty. */
const hasDocument = (number: number): boolean => number % 2 === 0;

interface Run {
  readonly collections: number;
  /** The bare loop: the same collections and indexes made one after the other, in seconds. */
  readonly bare: number;
  /** From the start until it was ready for the cutover, in seconds. */
  readonly migrate: number;
  /** From there until everything was verified once in the background, in seconds. */
  readonly verify: number;
  /** From the request until COMPLETE, in seconds. */
  readonly cutOver: number;
  /** CPU of agent and server together for each second in which nothing happens. */
  readonly idle: number;
  readonly rss: { readonly agent: number; readonly server: number };
}

/**
 * Migrates many collections that hold next to nothing, once and then four times as many, and prints
 * what a collection costs in both: the time is to grow with their number, and not faster. The bare
 * loop shows what the destination itself needs for them.
 */
export async function benchManyCollections(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { collections: { type: 'string', default: '2500' } },
  });
  const collections = Number(values.collections);
  const runs: Run[] = [];
  for (const count of [collections, collections * FACTOR]) {
    const run = await migrateMany(count);
    print(run);
    runs.push(run);
  }
  const [few, many] = runs.map((run) => (run.migrate + run.cutOver) / run.collections);
  const ratio = ((many ?? 0) / (few ?? 1)).toFixed(2);
  console.log(`time for a collection, ${FACTOR} times as many / as many: ${ratio} (1: linear)`);
}

async function migrateMany(collections: number): Promise<Run> {
  const bare = await runBareLoop(collections);
  await using pair = await startLinkedPair();
  await bareLoop(pair.source.uri, collections);
  await addDocuments(pair.source.uri, collections);
  const started = performance.now();
  const id = await pair.start({ dropDestinationData: false });
  await pair.until(id, 'ready for cutover', ({ readyForCutover }) => readyForCutover, LIMIT_MS);
  const ready = performance.now();
  await untilVerified(pair, id);
  const verified = performance.now();
  const idle = await idleCpu(pair);
  const asked = performance.now();
  await pair.cutOver(id, LIMIT_MS);
  const complete = performance.now();
  return {
    collections,
    bare,
    migrate: (ready - started) / 1000,
    verify: (verified - ready) / 1000,
    cutOver: (complete - asked) / 1000,
    idle,
    rss: { agent: await pair.agent.rssBytes(), server: await pair.server.rssBytes() },
  };
}

async function untilVerified({ api, projectId }: LinkedPair, id: string): Promise<void> {
  const path = `/api/linkspan/v1/groups/${projectId}/liveMigrations/${id}/verification`;
  const isComplete = async (): Promise<boolean> =>
    (await api.get<Partial<Verification>>(path)).body.complete === true;
  const deadline = performance.now() + LIMIT_MS;
  while (!(await isComplete())) {
    if (performance.now() > deadline) throw new Error('the migration was not verified in time');
    await setTimeout(500);
  }
}

async function runBareLoop(collections: number): Promise<number> {
  await using server = await startMongoDB();
  return await bareLoop(server.uri, collections);
}

/** Makes the collections with an index each, and returns the seconds that it took. */
async function bareLoop(uri: string, collections: number): Promise<number> {
  await using client = new MongoClient(uri);
  const started = performance.now();
  for (const { db, coll } of names(collections)) {
    const database = client.db(db);
    await database.command({ create: coll, writeConcern: WRITE_CONCERN });
    await database.command({
      createIndexes: coll,
      indexes: [INDEX],
      writeConcern: WRITE_CONCERN,
    });
  }
  return (performance.now() - started) / 1000;
}

async function addDocuments(uri: string, collections: number): Promise<void> {
  await using client = new MongoClient(uri);
  for (const { db, coll, number } of names(collections)) {
    if (!hasDocument(number)) continue;
    await client
      .db(db)
      .collection(coll)
      .insertOne({ customer: number }, { writeConcern: { w: 1 } });
  }
}

function* names(collections: number): Generator<{ db: string; coll: string; number: number }> {
  for (let number = 0; number < collections; number += 1) {
    yield { db: `many${number % DATABASES}`, coll: `collection${number}`, number };
  }
}

async function idleCpu(pair: LinkedPair): Promise<number> {
  const used = async (): Promise<number> =>
    (await pair.agent.cpuSeconds()) + (await pair.server.cpuSeconds());
  const before = await used();
  await setTimeout(IDLE_MS);
  return ((await used()) - before) / (IDLE_MS / 1000);
}

function print({ collections, bare, migrate, verify, cutOver, idle, rss }: Run): void {
  const total = migrate + cutOver;
  const memory = (bytes: number): string => `${Math.round(bytes / MEBIBYTE)} MiB`;
  console.log(
    [
      `${collections} collections, ${Math.ceil(collections / 2)} documents:`,
      `${total.toFixed(1)} s (copied and indexed ${migrate.toFixed(1)}, cut over ${cutOver.toFixed(1)}; verified meanwhile ${verify.toFixed(1)})`,
      `${((total / collections) * 1000).toFixed(1)} ms a collection`,
      `bare loop ${bare.toFixed(1)} s`,
      `idle ${(idle * 100).toFixed(1)} % CPU`,
      `peak RSS agent ${memory(rss.agent)}, server ${memory(rss.server)}`,
    ].join('  '),
  );
}
