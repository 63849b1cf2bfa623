import { setTimeout as sleep } from 'node:timers/promises';
import type { Progress } from '@linkspan/contract/push/messages.ts';

/** Tells the server how a migration stands, again and again, from now on until the signal aborts. */
export async function keepReporting(
  everyMs: number,
  measure: () => Progress,
  send: (progress: Progress) => Promise<void>,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await send(measure());
    await sleep(everyMs, undefined, { signal });
  }
}
