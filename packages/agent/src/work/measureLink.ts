import { randomBytes } from 'node:crypto';

import { PROBE_BYTES } from '@linkspan/contract/push/validation.ts';

import type { HostClient } from '../push/client.ts';

/**
 * Sends a mebibyte of random bytes, after a few to warm the connection.
 * @returns bytes a second on the wire, by one sender; null where the server did not take them
 */
export async function measureLink(
  client: Pick<HostClient, 'probeLink'>,
  validationId: string,
  signal: AbortSignal,
): Promise<number | null> {
  try {
    await client.probeLink(validationId, randomBytes(1024), signal);
    const bytes = randomBytes(PROBE_BYTES);
    const begin = performance.now();
    await client.probeLink(validationId, bytes, signal);
    return (bytes.length / Math.max(1, performance.now() - begin)) * 1000;
  } catch {
    signal.throwIfAborted();
    return null;
  }
}
