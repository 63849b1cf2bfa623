import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { makeTestClock, type TestClock } from '@linkspan/testkit/clock.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import type { Network } from '@linkspan/testkit/destinationSide.ts';
import { type LinkedPair, startLinkedPair } from '@linkspan/testkit/linkedPair.ts';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import type { Proxy } from '@linkspan/testkit/proxy.ts';
import { mountSmallDisk, type SmallDisk } from '@linkspan/testkit/smallDisk.ts';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { Writer } from './writer.ts';

const ROWS = 3000;
const DISK_MEGABYTES = 64;
const TEXT = 'x'.repeat(300);

/** What a test breaks: a pair with proxies, a clock that jumps and, where it can be had, a small disk. */
interface Parts {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  readonly pair: LinkedPair;
  readonly network: Network;
  readonly clock: TestClock;
  /** Under the journal of the agent; null where none can be mounted. */
  readonly disk: SmallDisk | null;
}

/** One deployment for all tests of a file; each moves its own migration. */
export class FaultyPair {
  #parts: Parts | null = null;

  get parts(): Parts {
    if (this.#parts === null) throw new Error('the pair is started before the first test');
    return this.#parts;
  }

  get agentStateDir(): string {
    const { disk, pair } = this.parts;
    return join(disk?.directory ?? pair.directory, 'agent');
  }

  /** @param resources owns what is started */
  async begin(resources: AsyncDisposableStack): Promise<void> {
    const clock = resources.use(await makeTestClock());
    const disk = await mountSmallDisk(DISK_MEGABYTES);
    if (disk !== null) resources.use(disk);
    const pair = resources.use(
      await startLinkedPair({
        proxied: true,
        agentEnv: clock.env,
        serverEnv: clock.env,
        ...(disk !== null && { agentStateDir: join(disk.directory, 'agent') }),
      }),
    );
    const { source, destination } = pair;
    this.#parts = { source, destination, pair, network: pair.network as Network, clock, disk };
  }

  /** What every test begins with: `app.rows` at the source, and nothing else. */
  async furnish(): Promise<void> {
    const app = this.parts.source.client().db('app');
    await app.dropDatabase();
    await app.collection<{ _id: number; text: string }>('rows').insertMany(
      Array.from({ length: ROWS }, (_, _id) => ({ _id, text: TEXT })),
      { writeConcern: { w: 'majority', j: true } },
    );
  }

  /** What a failed test has broken is whole again for the next one. */
  async heal(): Promise<void> {
    for (const link of Object.values(this.parts.network) as Proxy[]) await link.heal();
    await this.parts.disk?.free();
  }

  start(): Promise<string> {
    return this.parts.pair.start({ dropDestinationData: true });
  }

  /** Writes into `app.rows` until it is stopped. */
  write(into = this.parts.source): Writer {
    return new Writer(into.client(), 'app', 'rows');
  }

  tailing(id: string): Promise<LiveMigrationDetail> {
    const isTailing = ({ progress }: LiveMigrationDetail) => progress?.phase === 'TAILING';
    return this.parts.pair.until(id, 'tailing', isTailing, 120_000);
  }

  /** Until the migration says that it waits for that. */
  waiting(id: string, what: RegExp): Promise<LiveMigrationDetail> {
    const isWaiting = ({ progress }: LiveMigrationDetail) => what.test(progress?.waitingFor ?? '');
    return this.parts.pair.until(id, String(what), isWaiting);
  }

  /** Stops the writing, cuts over, compares, and looks whether the migration has written to its source. */
  async finish(id: string, writer: Writer): Promise<void> {
    const { pair, source, destination } = this.parts;
    await writer.stop();
    const last = await this.#lastWrite();
    await pair.cutOver(id);
    expect(await this.#lastWrite(), 'I7').toEqual(last);
    const { differences } = await compareClusters(source.uri, destination.uri);
    expect(differences).toEqual([]);
  }

  /** The newest entry of the source's oplog that is a write. */
  async #lastWrite(): Promise<object> {
    const oplog = this.parts.source.client().db('local').collection('oplog.rs');
    const [newest] = await oplog
      .find({ op: { $ne: 'n' } })
      .sort({ $natural: -1 })
      .limit(1)
      .project({ ts: 1, op: 1, ns: 1, o: 1 })
      .toArray();
    return newest as object;
  }
}

/** Starts one before the first test of a file, and ends it after the last one. */
export function useFaultyPair(): FaultyPair {
  const faulty = new FaultyPair();
  const resources = new AsyncDisposableStack();
  beforeAll(() => faulty.begin(resources));
  afterAll(() => resources.disposeAsync());
  beforeEach(() => faulty.furnish());
  afterEach(() => faulty.heal());
  return faulty;
}

/** Until the writer has written so often more. */
export async function rounds(writer: Writer, more: number): Promise<void> {
  const wanted = writer.rounds + more;
  while (writer.rounds < wanted) await delay(5);
}
