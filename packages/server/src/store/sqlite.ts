import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import type { SqliteDatabase, SqliteStatement } from 'kysely';
import { StoreUnavailableError } from './store.ts';

/** Another process has the store's file open. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError';
}

const SQLITE_BUSY = 5;
const SQLITE_CONSTRAINT = 19;

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null;
}

/** True for a violated constraint: a uniqueness that a caller turns into an answer of its own. */
export function isConstraintViolation(error: unknown): boolean {
  return resultCode(error) === SQLITE_CONSTRAINT;
}

/**
 * Opens the file for this process alone (rule C14): SQLite's exclusive locking mode holds the lock
 * until the file is closed or the process ends, however it ends.
 * @throws {StoreLockedError} while another process has it
 */
export function openSqlite(path: string): SqliteDatabase {
  const database = new DatabaseSync(path, { enableForeignKeyConstraints: true });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('BEGIN EXCLUSIVE; COMMIT');
  } catch (error) {
    database.close();
    if (resultCode(error) === SQLITE_BUSY) {
      throw new StoreLockedError(
        `another process has the store ${path} open: stop it first, or give this one another data directory`,
      );
    }
    throw new StoreUnavailableError(`cannot open the store ${path}: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return {
    close: () => database.close(),
    prepare: (sql) => adaptStatement(database, sql),
  };
}

function adaptStatement(database: DatabaseSync, sql: string): SqliteStatement {
  const statement = guard(() => database.prepare(sql));
  return {
    reader: statement.columns().length > 0,
    all: (parameters) => guard(() => statement.all(...values(parameters))),
    run: (parameters) => guard(() => statement.run(...values(parameters))),
    iterate: (parameters) => guard(() => statement.iterate(...values(parameters))),
  };
}

function values(parameters: readonly unknown[]): SQLInputValue[] {
  return parameters.map((value) => value as SQLInputValue);
}

/** Tells a store that fails (disk full, file gone, closed) from a statement that is refused. */
function guard<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (isConstraintViolation(error)) throw error;
    throw new StoreUnavailableError(`the store failed: ${String(error)}`, { cause: error });
  }
}
