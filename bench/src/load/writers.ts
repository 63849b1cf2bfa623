import { setTimeout as delay } from 'node:timers/promises';
import type { MongoDB } from '@linkspan/testkit/mongodb.ts';

const PADDING = 'y'.repeat(1000);
/** Documents of an organization that are written again and again. */
const KEYS = 500;

/** Changes one document of each database in turn, so many times a second altogether. */
export class Writers implements AsyncDisposable {
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #written = 0;

  constructor(
    targets: readonly { readonly source: MongoDB; readonly database: string }[],
    rate: number,
  ) {
    this.#done = rate > 0 ? this.#write(targets, rate) : Promise.resolve();
  }

  get written(): number {
    return this.#written;
  }

  async #write(
    targets: readonly { readonly source: MongoDB; readonly database: string }[],
    rate: number,
  ): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const { source, database } = targets[this.#written % targets.length] as (typeof targets)[0];
      const _id = this.#written % KEYS;
      await source
        .client()
        .db(database)
        .collection<{ _id: number }>('documents')
        .replaceOne({ _id }, { padding: PADDING, at: new Date() }, { upsert: true });
      this.#written += 1;
      await delay(1000 / rate, undefined, { signal }).catch(() => undefined);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#done;
  }
}
