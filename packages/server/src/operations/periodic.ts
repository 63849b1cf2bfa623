import { setTimeout as delay } from 'node:timers/promises';

/** Something that is done over and over until it is stopped. */
export class Periodic {
  readonly #periodMs: number;
  readonly #work: () => Promise<void>;
  readonly #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();

  /** @param work must not throw: nobody would hear of it */
  constructor(periodMs: number, work: () => Promise<void>) {
    this.#periodMs = periodMs;
    this.#work = work;
  }

  /** The first time is after one period. */
  start(): void {
    this.#running = this.#run();
  }

  /** Comes back when what is under way is done. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    for (;;) {
      await delay(this.#periodMs, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#work();
    }
  }
}
