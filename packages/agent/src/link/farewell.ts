import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import type { Logger } from 'pino';

import { Backoff } from '../push/backoff.ts';
import { HostClient, type HostCredentials } from '../push/client.ts';
import { LinkRefusedError, PushRefusedError } from '../push/errors.ts';
import { PushTransport, TransientPushError } from '../push/transport.ts';

/** How long the server is tried to be told that the source side has unlinked, in milliseconds. */
const PATIENCE_MS = 10_000;

export interface Farewell {
  readonly endpoint: string;
  readonly credentials: HostCredentials;
  readonly tls?: TlsFiles | undefined;
  readonly log: Logger;
  readonly patienceMs?: number;
}

/**
 * Tells the server that the source side has unlinked, so that it shows there at once. A server that
 * cannot be reached in time is not told: the log says so, and the link becomes STALE there. Never
 * rejects.
 */
export async function sayFarewell(
  { endpoint, credentials, tls, log, patienceMs = PATIENCE_MS }: Farewell,
  stopping: AbortSignal,
): Promise<void> {
  await using transport = new PushTransport(endpoint, tls);
  const client = new HostClient(transport, credentials);
  const signal = AbortSignal.any([stopping, AbortSignal.timeout(patienceMs)]);
  const backoff = new Backoff();
  let reason = 'the agent is stopping';
  try {
    for (;;) {
      try {
        await client.unlink(signal);
        return;
      } catch (error) {
        if (!(error instanceof TransientPushError)) throw error;
        reason = error.message;
        await backoff.pause(signal, error.retryAfterMs);
      }
    }
  } catch (error) {
    // It does not know this host any more, which is what it was to be told.
    if (error instanceof LinkRefusedError) return;
    if (error instanceof PushRefusedError) reason = error.message;
    else if (!signal.aborted) reason = (error as Error).message;
    log.warn(
      { server: endpoint, reason },
      'the server could not be told that this host is unlinked: it shows as stale until it is removed there',
    );
  }
}
