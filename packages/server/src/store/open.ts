import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Dialect, Kysely, SqliteDialect } from 'kysely';
import type { StoreDialect } from './dialects/dialect.ts';
import { openPostgres, POSTGRESQL } from './dialects/postgres.ts';
import { openSqlite, SQLITE } from './dialects/sqlite.ts';
import type { Executor } from './executor.ts';
import * as facts from './facts.ts';
import { backUp, BackupError } from './maintenance/backup.ts';
import { openSealer } from './masterKey.ts';
import type { MasterKeyPlace } from './masterKeySource.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';
import { SqlStore } from './sqlStore.ts';
import {
  type EmbeddedStore,
  type Store,
  StoreNotDurableError,
  StoreUnavailableError,
} from './store.ts';

/** The embedded store's file, in its data directory. */
export const STORE_FILE = 'linkspan.db';

/** Connections to PostgreSQL that a node makes at most, unless it is told otherwise. */
export const DEFAULT_CONNECTIONS = 10;

/** The data directory holds `linkspan.db`, too. Made if missing, mode 0700. */
export interface StoreOptions extends MasterKeyPlace {
  /** Connection string of a PostgreSQL database, a secret; absent: the embedded store. */
  readonly url?: string;
  /** The most connections to it. */
  readonly connections?: number;
}

/** A database that is reached and not looked into yet. */
export interface Connected {
  readonly db: Kysely<Schema>;
  readonly dialect: StoreDialect;
  readonly embedded: EmbeddedStore | null;
  readonly close: () => Promise<void>;
}

/**
 * Reaches the database that the options name; the embedded one for this process alone.
 * @throws {StoreUnavailableError} if the data directory cannot be used
 * @throws {StoreLockedError} while another process has the embedded store open
 */
export function connect(options: StoreOptions): Connected {
  if (options.url !== undefined) {
    const connections = options.connections ?? DEFAULT_CONNECTIONS;
    const db = makeDb(openPostgres(options.url, connections), POSTGRESQL);
    return { db, dialect: POSTGRESQL, embedded: null, close: () => db.destroy() };
  }
  const opened = openSqlite(ownFile(options.dataDirectory, STORE_FILE));
  const db = makeDb(new SqliteDialect({ database: opened }), SQLITE);
  return {
    db,
    dialect: SQLITE,
    embedded: { backUp: (path) => backUp(opened.database, path) },
    async close() {
      await db.destroy();
      // Kysely leaves alone what it was never asked of.
      if (opened.database.isOpen) opened.close();
    },
  };
}

function makeDb(driver: Dialect, dialect: StoreDialect): Kysely<Schema> {
  return new Kysely<Schema>({ dialect: driver, plugins: [...dialect.plugins] });
}

/** @throws {StoreUnavailableError} if the options name an embedded store that is not there */
export function requireStore({ dataDirectory, url }: StoreOptions): void {
  if (url !== undefined || existsSync(join(dataDirectory, STORE_FILE))) return;
  throw new StoreUnavailableError(
    `there is no store in ${dataDirectory}: name the server's data directory with --data-dir`,
  );
}

/**
 * Opens the store and brings its tables up to date: the embedded one for this process alone, or one
 * in PostgreSQL that other nodes use too.
 * @throws {StoreUnavailableError} if the directory or the file in it cannot be used, or PostgreSQL
 *   cannot be reached
 * @throws {StoreLockedError} while another process has the embedded store open
 * @throws {StoreNotDurableError} if the database would lose what it has committed
 * @throws {StoreTooNewError} if a newer server wrote it
 * @throws {BackupError} if it is a backup that was not restored
 * @throws {MasterKeyError} if the key is not there that its secrets are sealed under, or is another
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const { db, dialect, embedded, close } = connect(options);
  try {
    const durability = await dialect.durability(db);
    if (durability.faults.length > 0) {
      throw new StoreNotDurableError(
        `the store on ${dialect.name} would lose what it has committed: ${durability.faults.join(', ')}. Change that setting of the database`,
      );
    }
    await migrate(db, dialect);
    await refuseBackup(db);
    const sealer = await openSealer(options, db);
    return new SqlStore({ db, dialect, durability, sealer, embedded, url: options.url ?? null });
  } catch (error) {
    await close();
    throw error;
  }
}

/** What happened after it was made is missing: links could be in it that were removed (rule C8). */
async function refuseBackup(db: Executor): Promise<void> {
  const backedUpAt = await facts.find(db, 'backedUpAt');
  if (backedUpAt === null) return;
  throw new BackupError(
    `the store is a backup of ${backedUpAt}: put it in place with \`linkspan store restore\`, or call \`linkspan store restored\` where it is in place already`,
  );
}

/** The path of a file that only its user may read, also in a directory that was there before. */
function ownFile(directory: string, name: string): string {
  const path = join(directory, name);
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // A file that is there is not opened: to close it again would lift this process's lock on it.
    if (existsSync(path)) chmodSync(path, 0o600);
    else writeFileSync(path, '', { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new StoreUnavailableError(
      `the data directory ${directory} cannot be used (${code}): name another one with --data-dir`,
      { cause: error },
    );
  }
  return path;
}
