import { setTimeout as delay } from 'node:timers/promises';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';
import { MongoClient, MongoServerError } from 'mongodb';
import type { Figures } from './figures.ts';
import type { Random } from './random.ts';
import { DURABLE, type Feature, type Operation, type Source } from './workload/feature.ts';

const WORKERS = 3;
const LONGEST_PAUSE_MS = 40;

/** Of a primary that is going or gone: the operation is not carried out again, the next one comes. */
const PASSING = new Set<unknown>([91, 189, 10_107, 11_600, 11_602, 13_435]);

/** The source as the workload writes it: not through a proxy, durably. */
export function openSource(uri: string): Source & AsyncDisposable {
  const client = new MongoClient(uri, {
    ...DURABLE,
    appName: 'torture',
    retryWrites: false,
    serverSelectionTimeoutMS: 2000,
    socketTimeoutMS: 20_000,
  });
  return {
    client,
    db: (name) => client.db(name),
    collection: (db, coll) => client.db(db).collection(coll),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

interface Workload {
  readonly source: Source;
  readonly server: MongoDB['server'];
  readonly features: readonly Feature[];
  readonly figures: Figures;
  readonly random: Random;
}

/** Applications that write to the source until they are stopped, as the seed says. */
export class Workers {
  readonly #stop = new AbortController();
  readonly #done: Promise<unknown>;
  readonly #source: Source;
  readonly #operations: readonly Operation[];
  readonly #figures: Figures;
  readonly #random: Random;
  readonly #isFragile: boolean;
  readonly #running = new Set<Promise<void>>();
  #alone: Promise<void> | null = null;
  #next = 0;

  constructor({ source, server, features, figures, random }: Workload) {
    this.#operations = features.flatMap(({ operations }) => operations);
    this.#isFragile = server === 'SecantusDB';
    this.#source = source;
    this.#figures = figures;
    this.#random = random;
    this.#done = Promise.all(Array.from({ length: WORKERS }, () => this.#work()));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  /**
   * SecantusDB gets out of step with itself where a write meets a rename or a drop of its collection: a
   * document is found by reading all, and not by its `_id`. There what changes names runs alone.
   */
  async #run(operation: Operation, random: Random): Promise<void> {
    const isAlone = this.#isFragile && operation.renames === true;
    while (this.#alone !== null) await this.#alone;
    if (isAlone) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#alone = promise;
      try {
        await Promise.all(this.#running);
        await operation.run(this.#source, random);
      } finally {
        this.#alone = null;
        resolve();
      }
      return;
    }
    const running = Promise.resolve(operation.run(this.#source, random));
    const settled = running.then(
      () => undefined,
      () => undefined,
    );
    this.#running.add(settled);
    try {
      await running;
    } finally {
      this.#running.delete(settled);
    }
  }

  async #work(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      const random = this.#random.fork(this.#next);
      this.#next += 1;
      const operation = random.weighted(this.#operations);
      const pause = random.between(0, LONGEST_PAUSE_MS);
      try {
        await this.#run(operation, random);
        this.#figures.operation(operation.kind, false);
      } catch (error) {
        if (error instanceof TypeError || error instanceof RangeError) throw error;
        this.#figures.operation(operation.kind, true);
        if (!(error instanceof MongoServerError) || PASSING.has(error.code)) await delay(200);
      }
      await delay(pause);
    }
  }
}
