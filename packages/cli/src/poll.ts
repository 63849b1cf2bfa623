import { setTimeout as delay } from 'node:timers/promises';

const PAUSE_MS = 1000;

/** Asks every second until there is an answer. */
export async function poll<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await delay(PAUSE_MS);
  }
}
