import { closeSync, fsyncSync, openSync } from 'node:fs';
import { backup, DatabaseSync } from 'node:sqlite';
import { dirname } from 'node:path';
import { timestamp } from '../../domain/time.ts';
import type { StoreFact } from '../schema.ts';

/** A backup cannot be made or restored. */
export class BackupError extends Error {
  override readonly name = 'BackupError';
}

/** Pages that are copied at once: between two such steps the store goes on. */
const PAGES = 256;

/**
 * Copies an open embedded store to a new file while it goes on, as of one moment. The copy says of
 * itself that it is a backup, so that no server starts on it before it is restored (rule C8).
 * @param path made with mode 0600; it must not be there
 * @throws {BackupError} if the file is there or cannot be written; nothing is left of it then
 */
export async function backUp(database: DatabaseSync, path: string): Promise<void> {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new BackupError(
      code === 'EEXIST'
        ? `${path} is there already: name a new file`
        : `${path} cannot be written (${code})`,
      { cause: error },
    );
  }
  const backedUpAt = timestamp();
  await backup(database, path, { rate: PAGES });
  const copy = new DatabaseSync(path);
  try {
    // One file, without a log beside it.
    copy.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL');
    const name: StoreFact = 'backedUpAt';
    copy
      .prepare('insert or replace into store_facts (name, value) values (?, ?)')
      .run(name, backedUpAt);
  } finally {
    copy.close();
  }
  const directory = openSync(dirname(path), 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
