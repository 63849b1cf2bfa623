import { resolve } from 'node:path';
import { askForBackup } from './control/socket.ts';
import { BackupError } from './store/maintenance/backup.ts';
import { connect, requireStore, type StoreOptions } from './store/open.ts';

export interface BackupResult {
  readonly path: string;
  /** Whether a server made it, which went on meanwhile. */
  readonly byServer: boolean;
}

/**
 * Backs the embedded store up into a new file: through the server that has it open, or straight.
 * @throws {BackupError} if it cannot be written, or the store is in PostgreSQL
 * @throws {StoreUnavailableError} if there is no such store
 * @throws {StoreLockedError} if a server has it open that cannot be asked
 */
export async function backUpStore(options: StoreOptions, to: string): Promise<BackupResult> {
  if (options.url !== undefined) {
    throw new BackupError('a store in PostgreSQL is backed up with pg_dump');
  }
  requireStore(options);
  const path = resolve(to);
  if (await askForBackup(options.dataDirectory, path)) return { path, byServer: true };
  const { embedded, close } = connect(options);
  try {
    await embedded?.backUp(path);
  } finally {
    await close();
  }
  return { path, byServer: false };
}
