import type { MongoClient } from 'mongodb';

interface Row {
  _id: number;
  round?: number;
}

/** An application that writes to the source for as long as a test lets it. */
export class Writer {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  rounds = 0;

  constructor(client: MongoClient, db: string, coll: string) {
    this.#done = this.#run(client, db, coll);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }

  async #run(client: MongoClient, db: string, coll: string): Promise<void> {
    const rows = client.db(db).collection<Row>(coll);
    // Fault tests write with j: true, or a server that is killed may lose what it acknowledged (D24).
    const options = { writeConcern: { w: 'majority', j: true } } as const;
    while (!this.#stop.signal.aborted) {
      const round = this.rounds;
      // Another writer may have been here before.
      const upsert = { ...options, upsert: true };
      await rows.updateOne({ _id: 1_000_000 + round }, { $set: { round } }, upsert);
      await rows.updateOne({ _id: round % 1000 }, { $set: { round } }, options);
      await rows.deleteOne({ _id: 1_000_000 + round - 20 }, options);
      this.rounds += 1;
    }
  }
}
