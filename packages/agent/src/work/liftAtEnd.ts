import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import { LinkRefusedError } from '../push/errors.ts';
import type { WriteBlocks } from './writeBlocks.ts';

/** How long an agent that stops goes on lifting what its cutovers have blocked, in milliseconds. */
const LAST_LIFT_MS = 5000;

/** The same of one that ends because its link was refused: nobody waits for that, or looks at it soon. */
const REFUSED_LIFT_MS = 10 * 60_000;

/** What an agent that stops does at last: for five seconds at most, and for none where there is nothing to lift. */
export async function liftLast(writeBlocks: WriteBlocks): Promise<void> {
  const lifted = new AbortController();
  const limit = delay(LAST_LIFT_MS, undefined, { signal: lifted.signal }).catch(() => undefined);
  await Promise.race([writeBlocks.lift(AbortSignal.timeout(LAST_LIFT_MS)), limit]);
  lifted.abort();
}

/**
 * What a host ends with whose link was refused, once it has lifted its write blocks: nobody else does. A source
 * that does not let it is tried for some time, and named.
 */
export async function liftRefused(
  error: LinkRefusedError,
  { writeBlocks, log }: { readonly writeBlocks: WriteBlocks; readonly log: Logger },
  signal: AbortSignal,
): Promise<LinkRefusedError> {
  if (writeBlocks.left().length === 0) return error;
  log.error(
    { reason: error.message, minutes: REFUSED_LIFT_MS / 60_000 },
    'the link is refused: this ends once the write blocks at its sources are lifted, or after so long',
  );
  const limit = new AbortController();
  const either = AbortSignal.any([signal, limit.signal]);
  const limited = delay(REFUSED_LIFT_MS, undefined, { signal: either }).catch(() => undefined);
  await Promise.race([writeBlocks.liftAll(either), limited]);
  limit.abort();
  const names = writeBlocks.left().map(({ clusterName }) => clusterName);
  if (names.length === 0) return error;
  return new LinkRefusedError(
    `${error.message.replace(/\.$/, '')}. The writes of ${names.join(', ')} may still be blocked: run linkspan agent unblock`,
  );
}
