import { setTimeout as delay } from 'node:timers/promises';
import type { MongoClient } from 'mongodb';

const PAUSE_MS = 5;

/** What an application does to the source while it is migrated: inserts, updates and deletes. */
export class Writer {
  readonly #client: MongoClient;
  readonly #stopped = new AbortController();
  readonly #done: Promise<void>;
  inserts = 0;
  updates = 0;
  deletes = 0;

  constructor(client: MongoClient) {
    this.#client = client;
    this.#done = this.#run();
  }

  get total(): number {
    return this.inserts + this.updates + this.deletes;
  }

  /** Settles when the last write was acknowledged. */
  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    const cities = this.#client
      .db('world')
      .collection<{ _id: number; population?: number; visits?: number }>('cities');
    const visits = this.#client.db('harbour').collection('visits');
    const options = { writeConcern: { w: 'majority', j: true } } as const;
    const ids = await cities
      .find({}, { projection: { _id: 1 }, limit: 5000 })
      .map(({ _id }) => _id)
      .toArray();
    for (let round = 0; !this.#stopped.signal.aborted; round += 1) {
      const id = ids[round % ids.length] ?? 0;
      await visits.insertOne({ city: id, at: new Date() }, options);
      await cities.insertOne({ _id: 1_000_000_000 + round, population: round }, options);
      this.inserts += 2;
      await cities.updateOne(
        { _id: id },
        { $inc: { visits: 1 }, $set: { 'loc.seen': true } },
        options,
      );
      this.updates += 1;
      if (round % 3 === 0) {
        await cities.deleteOne({ _id: 1_000_000_000 + round - 1 }, options);
        this.deletes += 1;
      }
      await delay(PAUSE_MS);
    }
  }
}
