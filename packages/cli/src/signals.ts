import process from 'node:process';

import { EXIT } from './exitCodes.ts';

/**
 * A signal that aborts at the first SIGINT or SIGTERM, so that a command can end in good order. The
 * second one ends the process at once.
 */
export function untilStopped(): AbortSignal {
  const controller = new AbortController();
  const stop = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort(new Error(`stopped by ${name}`));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return controller.signal;
}
