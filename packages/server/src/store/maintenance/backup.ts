import { closeSync, existsSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from 'node:fs';
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

/** Copies that this process makes now, by their path. */
const underWay = new Set<string>();

/**
 * Copies an open embedded store to a new file while it goes on, as of one moment. The copy says of
 * itself that it is a backup, so that no server starts on it before it is restored (rule C8): it gets its
 * name only once it says so, and is `PATH.partial` until then. One that a killed process left is replaced.
 * @param path absolute; made with mode 0600; it must not be there
 * @throws {BackupError} if the file is there or cannot be written; nothing is left of it then
 */
export async function backUp(database: DatabaseSync, path: string): Promise<void> {
  if (underWay.has(path)) throw new BackupError(`a backup to ${path} is being made already`);
  if (existsSync(path)) throw isThere(path);
  const partial = `${path}.partial`;
  underWay.add(path);
  try {
    remove(partial);
    closeSync(openSync(partial, 'wx', 0o600));
    const backedUpAt = timestamp();
    await backup(database, partial, { rate: PAGES });
    mark(partial, backedUpAt);
    sync(partial);
    giveName(partial, path);
  } catch (error) {
    if (error instanceof BackupError) throw error;
    const { code = '', message } = error as NodeJS.ErrnoException;
    // Those of SQLite, such as a full disk, all have one code.
    const reason = /^E[A-Z0-9]+$/.test(code) ? code : message;
    throw new BackupError(`${path} cannot be written (${reason})`, { cause: error });
  } finally {
    underWay.delete(path);
    remove(partial);
  }
}

function isThere(path: string): BackupError {
  return new BackupError(`${path} is there already: name a new file`);
}

function mark(path: string, backedUpAt: string): void {
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
}

/** Without taking the place of a file that came there meanwhile. */
function giveName(partial: string, path: string): void {
  try {
    linkSync(partial, path);
  } catch {
    // Some file systems have no hard links.
    if (existsSync(path)) throw isThere(path);
    renameSync(partial, path);
  }
  try {
    sync(dirname(path));
  } catch (error) {
    rmSync(path);
    throw error;
  }
}

function sync(path: string): void {
  const file = openSync(path, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** With what SQLite keeps beside it, which would be played into the next one. */
function remove(path: string): void {
  for (const end of ['', '-journal', '-wal', '-shm']) rmSync(path + end, { force: true });
}
