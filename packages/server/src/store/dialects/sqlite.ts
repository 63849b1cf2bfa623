import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import {
  type KyselyPlugin,
  OperationNodeTransformer,
  type QueryId,
  SelectModifierNode,
  type SelectQueryNode,
  type SqliteDatabase,
  type SqliteStatement,
  sql,
} from 'kysely';
import { StoreLockedError, StoreUnavailableError } from '../store.ts';
import type { StoreDialect } from './dialect.ts';

const SQLITE_BUSY = 5;
const SQLITE_CONSTRAINT = 19;

/** As `PRAGMA synchronous` answers. */
const SYNCHRONOUS = ['OFF', 'NORMAL', 'FULL', 'EXTRA'];

/** There is one connection, so whatever a row lock keeps out has to wait already. */
class WithoutRowLocks extends OperationNodeTransformer {
  protected override transformSelectQuery(
    node: SelectQueryNode,
    queryId?: QueryId,
  ): SelectQueryNode {
    const { endModifiers, ...query } = super.transformSelectQuery(node, queryId);
    if (endModifiers === undefined) return query;
    const left = endModifiers.filter(
      (modifier) => SelectModifierNode.is(modifier) && modifier.modifier === 'Distinct',
    );
    return { ...query, endModifiers: left };
  }
}

const transformer = new WithoutRowLocks();

const withoutRowLocks: KyselyPlugin = {
  transformQuery: ({ node, queryId }) => transformer.transformNode(node, queryId),
  transformResult: async ({ result }) => result,
};

export const SQLITE: StoreDialect = {
  name: 'SQLite',
  isShared: false,
  isolation: null,
  plugins: [withoutRowLocks],
  clock: (aheadMs = 0) =>
    sql<string>`strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ${`${aheadMs / 1000} seconds`})`,
  seconds: () => sql<number>`unixepoch('subsec')`,
  retries: () => 0,
  isOver: () => true,
  lockSchema: async () => {},
  async tables(db) {
    const { rows } = await sql<{ name: string }>`select name from sqlite_schema
      where type = 'table' and name not like 'sqlite%' order by name`.execute(db);
    return rows.map(({ name }) => name);
  },
  lockTables: async () => {},
  // AUTOINCREMENT remembers what was inserted.
  continueCounters: async () => {},
  isInUse: async () => false,
  async durability(db) {
    const { rows } = await sql<{ synchronous: number; journal_mode: string; locking_mode: string }>`
      select
        (select synchronous from pragma_synchronous) as synchronous,
        (select journal_mode from pragma_journal_mode) as journal_mode,
        (select locking_mode from pragma_locking_mode) as locking_mode`.execute(db);
    const [found] = rows;
    const synchronous = SYNCHRONOUS[found?.synchronous ?? 0] ?? 'OFF';
    const settings = {
      synchronous,
      journal_mode: found?.journal_mode ?? '',
      locking_mode: found?.locking_mode ?? '',
    };
    const faults: string[] = [];
    if (!['FULL', 'EXTRA'].includes(synchronous)) faults.push(`synchronous is ${synchronous}`);
    if (settings.journal_mode !== 'wal') faults.push(`journal_mode is ${settings.journal_mode}`);
    if (settings.locking_mode !== 'exclusive') {
      faults.push(`locking_mode is ${settings.locking_mode}`);
    }
    return { settings, faults, warnings: [] };
  },
};

function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  return typeof error.errcode === 'number' ? error.errcode & 0xff : null;
}

/** The file, and what Kysely needs of it. */
export interface OpenedSqlite extends SqliteDatabase {
  readonly database: DatabaseSync;
}

/**
 * Opens the file for this process alone (rule C14): SQLite's exclusive locking mode holds the lock
 * until the file is closed or the process ends, however it ends.
 * @throws {StoreLockedError} while another process has it
 * @throws {StoreUnavailableError} if it is no such file, or cannot be read
 */
export function openSqlite(path: string): OpenedSqlite {
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
    database,
    close: () => database.close(),
    prepare: (text) => adaptStatement(database, text),
  };
}

function adaptStatement(database: DatabaseSync, text: string): SqliteStatement {
  const statement = guard(() => database.prepare(text));
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
    if (resultCode(error) === SQLITE_CONSTRAINT) throw error;
    throw new StoreUnavailableError(`the store failed: ${String(error)}`, { cause: error });
  }
}
