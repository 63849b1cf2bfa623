import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '@linkspan/contract/push/progress.ts';

/** Tells the server how a migration stands, again and again, one report after the other. */
export class Reports {
  readonly #everyMs: number;
  readonly #measure: () => Progress;
  readonly #send: (progress: Progress) => Promise<void>;
  #asked = Promise.withResolvers<void>();
  #asking: (() => void)[] = [];

  constructor(
    everyMs: number,
    measure: () => Progress,
    send: (progress: Progress) => Promise<void>,
  ) {
    this.#everyMs = everyMs;
    this.#measure = measure;
    this.#send = send;
  }

  /** From now on until the signal aborts. */
  async run(signal: AbortSignal): Promise<never> {
    for (;;) {
      const answered = this.#asking;
      this.#asking = [];
      this.#asked = Promise.withResolvers();
      await this.#send(this.#measure());
      for (const resolve of answered) resolve();
      const pause = new AbortController();
      const either = AbortSignal.any([signal, pause.signal]);
      const paused = sleep(this.#everyMs, undefined, { signal: either }).catch(() => undefined);
      await Promise.race([paused, this.#asked.promise]);
      pause.abort();
      signal.throwIfAborted();
    }
  }

  /**
   * Reports at once; comes back when the server has taken a report that was measured after this was called,
   * so that none from before can come later.
   * @throws the signal's reason
   */
  async now(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const stop = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    this.#asking.push(resolve);
    this.#asked.resolve();
    await promise.finally(() => signal.removeEventListener('abort', stop));
  }
}

/** Tells the server how a migration stands, again and again, from now on until the signal aborts. */
export function keepReporting(
  everyMs: number,
  measure: () => Progress,
  send: (progress: Progress) => Promise<void>,
  signal: AbortSignal,
): Promise<never> {
  return new Reports(everyMs, measure, send).run(signal);
}
