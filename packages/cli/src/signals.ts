import process from 'node:process';

import { EXIT } from './exitCodes.ts';

/**
 * A signal that aborts at the first SIGINT or SIGTERM, so that a command can end in good order. The
 * second one ends the process at once.
 */
export function untilStopped(): { readonly signal: AbortSignal; interrupted(): boolean } {
  const controller = new AbortController();
  let interrupted = false;
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    interrupted = name === 'SIGINT';
    controller.abort(new Error(`stopped by ${name}`));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return { signal: controller.signal, interrupted: () => interrupted };
}
