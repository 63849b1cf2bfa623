import type { MigrationStatusReply } from '@linkspan/contract/push/session.ts';
import type { TlsFiles } from '@linkspan/contract/tls/files.ts';
import type { WriteBlockRecord } from '../journal/writeBlockRecords.ts';
import { establishedLink } from '../link/establish.ts';
import type { StateDirectory } from '../link/stateDirectory.ts';
import { HostClient } from '../push/client.ts';
import { LinkRefusedError, MigrationEndedError } from '../push/errors.ts';
import { PushTransport } from '../push/transport.ts';

/**
 * What became of a live migration, as far as its write block depends on it. ELSEWHERE: another migration host
 * answers for the block, or has made the migration COMPLETE. NOT_COMPLETE is final: nothing that this host has
 * under way makes it COMPLETE.
 */
export type Outcome = 'COMPLETE' | 'NOT_COMPLETE' | 'ELSEWHERE' | 'UNKNOWN';

/** @param reply to a question that fences, where this host may have completed the migration */
export function outcomeOfReply({
  status,
  elsewhere,
  writeBlockLeft,
}: MigrationStatusReply): Outcome {
  if (elsewhere !== true) return status === 'COMPLETE' ? 'COMPLETE' : 'NOT_COMPLETE';
  if (status === 'COMPLETE') return 'ELSEWHERE';
  // The other host may hold a cutover of its own, unless it has never taken this host's block over.
  const isActive = status === 'NEW' || status === 'WORKING';
  return isActive && writeBlockLeft !== true ? 'ELSEWHERE' : 'NOT_COMPLETE';
}

/** Asks the server what became of the migration of a write block; never rejects. */
export async function askOutcome(
  directory: StateDirectory,
  tls: TlsFiles,
  { migrationId, state }: WriteBlockRecord,
  signal: AbortSignal,
): Promise<Outcome> {
  const link = establishedLink(directory);
  if (link === null) return 'NOT_COMPLETE';
  await using transport = new PushTransport(link.endpoint, tls);
  try {
    const client = new HostClient(transport, link);
    // What was told of its end may still be on the way, or in the server's store.
    const message = state === 'COMPLETING' ? { fence: true } : {};
    return outcomeOfReply(await client.migrationStatus(migrationId, message, signal));
  } catch (error) {
    const isOver = error instanceof LinkRefusedError || error instanceof MigrationEndedError;
    return isOver ? 'NOT_COMPLETE' : 'UNKNOWN';
  }
}
