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

/**
 * Runs `end` at the first SIGINT or SIGTERM, and only then lets the signal end the process. A second one
 * does so at once.
 * @returns what takes that back
 */
export function beforeSignals(end: () => Promise<void>): () => void {
  const release = (): void => {
    process.off('SIGINT', onSignal);
    process.off('SIGTERM', onSignal);
  };
  const onSignal = (name: NodeJS.Signals): void => {
    release();
    void end().finally(() => process.kill(process.pid, name));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return release;
}
