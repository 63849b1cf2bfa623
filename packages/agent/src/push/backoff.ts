import { setTimeout as delay } from 'node:timers/promises';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/**
 * Pauses that double, from 0.1 s up to 10 s, each cut by up to a half at random so that many callers
 * do not come back at once.
 */
export class Backoff {
  #next = FIRST_PAUSE_MS;

  /**
   * @param atLeastMs what the other side asked for (`Retry-After`)
   * @throws the signal's reason
   */
  async pause(signal: AbortSignal, atLeastMs = 0): Promise<void> {
    const pause = this.#next * (0.5 + Math.random() / 2);
    this.#next = Math.min(this.#next * 2, LONGEST_PAUSE_MS);
    try {
      await delay(Math.max(pause, atLeastMs), undefined, { signal });
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  }

  reset(): void {
    this.#next = FIRST_PAUSE_MS;
  }
}
