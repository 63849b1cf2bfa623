import { setTimeout as delay } from 'node:timers/promises';

import { ApiError, UnreachableError } from './api/errors.ts';

const PAUSE_MS = 1000;

/** How long a server may be away (an upgrade, for example) before watching ends with an error. */
const PATIENCE_MS = 2 * 60_000;

/**
 * Asks every second until there is an answer.
 * @throws what `ask` throws; a server that is away for a short time only is asked again
 */
export async function poll<T>(ask: () => Promise<T | undefined>): Promise<T> {
  let lastHeard = performance.now();
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      lastHeard = performance.now();
    } catch (error) {
      if (!isAway(error) || performance.now() - lastHeard > PATIENCE_MS) throw error;
    }
    await delay(PAUSE_MS);
  }
}

function isAway(error: unknown): boolean {
  if (error instanceof UnreachableError) return true;
  return error instanceof ApiError && (error.status >= 500 || error.status === 429);
}
