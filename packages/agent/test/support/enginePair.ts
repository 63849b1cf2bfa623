import { compareClusters } from '@linkspan/testkit/compare.ts';
import {
  type DestinationSide,
  startDestinationSide,
  startNextSide,
} from '@linkspan/testkit/destinationSide.ts';
import { type MongoDB, type MongoDBOptions, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import type { Collection, Db, Document } from 'mongodb';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import { InProcessHost, type Run, type RunOptions } from './inProcessHost.ts';

const LEAVE_MS = 10_000;

/** Two databases, a server, and an engine in this process: for tests of whole migrations. */
export class EnginePair implements AsyncDisposable {
  readonly source: MongoDB;
  readonly destination: MongoDB;
  /** Owns the server, which takes longer to start than most tests take. */
  #first: DestinationSide | null = null;
  #side: DestinationSide | null = null;
  #host: InProcessHost | null = null;

  private constructor(source: MongoDB, destination: MongoDB) {
    this.source = source;
    this.destination = destination;
  }

  /** @param options of the source */
  static async start(options: MongoDBOptions = {}): Promise<EnginePair> {
    const [source, destination] = await Promise.all([
      startMongoDB({ name: 'source', ...options }),
      startMongoDB({ name: 'destination' }),
    ]);
    return new EnginePair(source, destination);
  }

  /** Every migration moves the whole source, so each test has the databases for itself. */
  async reset(): Promise<void> {
    await this.#leave();
    for (const mongodb of [this.source, this.destination]) {
      const { databases } = await mongodb.client().db('admin').admin().listDatabases();
      for (const { name } of databases) {
        if (['admin', 'config', 'local'].includes(name)) continue;
        await mongodb.client().db(name).dropDatabase();
      }
    }
    const { source, destination } = this;
    this.#first ??= await startDestinationSide({ source, destination });
    this.#side = await startNextSide(this.#first);
    this.#host = await InProcessHost.link(this.#side);
  }

  get side(): DestinationSide {
    if (this.#side === null) throw new Error('reset() comes first');
    return this.#side;
  }

  /** The database `app` at the source. */
  get app(): Db {
    return this.source.client().db('app');
  }

  /** The database `app` at the destination. */
  get copy(): Db {
    return this.destination.client().db('app');
  }

  async run(id: string, how: RunOptions = {}): Promise<Run> {
    return this.host.run(id, how);
  }

  get host(): InProcessHost {
    if (this.#host === null) throw new Error('reset() comes first');
    return this.#host;
  }

  /** Starts a migration and waits until it follows the source. */
  async tailing(how: RunOptions = {}): Promise<{ id: string; run: Run }> {
    const id = await this.side.start();
    const run = await this.run(id, how);
    await this.side.until(id, 'tailing', ({ progress }) => progress?.phase === 'TAILING');
    return { id, run };
  }

  /** The next change stream that the engine opens is told that its history is lost. */
  async loseHistory(): Promise<void> {
    await this.source
      .client()
      .db('admin')
      .command({
        configureFailPoint: 'failCommand',
        mode: { times: 1 },
        data: { failCommands: ['aggregate'], errorCode: 286, appName: 'linkspan-agent' },
      });
  }

  async expectEqual(): Promise<void> {
    const { differences } = await compareClusters(this.source.uri, this.destination.uri);
    expect(differences).toEqual([]);
  }

  /** After that, nothing of the last test is written into the next one's databases. */
  async #leave(): Promise<void> {
    await this.#host?.[Symbol.asyncDispose]();
    this.#host = null;
    const side = this.#side;
    if (side === null) return;
    this.#side = null;
    const path = `/api/atlas/v2/orgs/${side.orgId}/liveMigrations/linkTokens`;
    const left = await side.api
      .delete(path, { version: '2023-01-01', signal: AbortSignal.timeout(LEAVE_MS) })
      .catch(() => ({ status: 0 }));
    await side[Symbol.asyncDispose]();
    // Of a server that a test has left killed, for instance.
    if (![204, 404].includes(left.status)) await this.#stopServer();
  }

  async #stopServer(): Promise<void> {
    await this.#first?.[Symbol.asyncDispose]();
    this.#first = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#host?.[Symbol.asyncDispose]();
    await this.#side?.[Symbol.asyncDispose]();
    await this.#stopServer();
    await this.source.stop();
    await this.destination.stop();
  }
}

/** Of the file that runs: see {@link withPair}. */
export let pair: EnginePair;

/**
 * A pair for the tests of the file, reset before each of them.
 * @param options of the source
 */
export function withPair(options: MongoDBOptions = {}): void {
  beforeAll(async () => {
    pair = await EnginePair.start(options);
  });
  beforeEach(() => pair.reset());
  afterAll(() => pair?.[Symbol.asyncDispose]());
}

export interface Numbered extends Document {
  _id: number;
}

/** A collection of {@link numbers} at the source, and the same at the destination. */
export const here = (name: string): Collection<Numbered> => pair.app.collection<Numbered>(name);
export const there = (name: string): Collection<Numbered> => pair.copy.collection<Numbered>(name);
export const numbers = (from: number, to: number): Numbered[] =>
  Array.from({ length: to - from }, (_, index) => ({ _id: from + index, text: `t${index}` }));

/** Calls `act` the first time that the engine comes by, and holds the engine meanwhile. */
export function once(act: () => Promise<void>): () => Promise<void> {
  let done = false;
  return async () => {
    if (done) return;
    done = true;
    await act();
  };
}
