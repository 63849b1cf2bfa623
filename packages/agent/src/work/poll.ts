import type { WorkItem } from '@linkspan/contract/push/work.ts';
import type { Logger } from 'pino';

import { Backoff } from '../push/backoff.ts';
import type { HostClient } from '../push/client.ts';
import { TransientPushError } from '../push/transport.ts';

const WAIT_SECONDS = 30;

/**
 * Polls for the list of wanted work and hands each new one on, until the signal aborts.
 * @throws {LinkRefusedError} | {PushRefusedError}
 * @throws the signal's reason
 */
export async function pollWork(
  client: Pick<HostClient, 'work'>,
  onWork: (work: readonly WorkItem[]) => void,
  log: Logger,
  signal: AbortSignal,
): Promise<never> {
  const backoff = new Backoff();
  let knownRevision: string | null = null;
  for (;;) {
    try {
      const reply = await client.work({ knownRevision, waitSeconds: WAIT_SECONDS }, signal);
      backoff.reset();
      if (reply.revision === knownRevision) continue;
      knownRevision = reply.revision;
      onWork(reply.work);
    } catch (error) {
      if (!(error instanceof TransientPushError)) throw error;
      log.warn({ reason: error.message }, 'no answer about work');
      await backoff.pause(signal, error.retryAfterMs);
    }
  }
}
