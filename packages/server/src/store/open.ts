import { AsyncLocalStorage } from 'node:async_hooks';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kysely, SqliteDialect } from 'kysely';
import type { Executor } from './executor.ts';
import { loadMasterKey, MasterKeyError } from './masterKey.ts';
import { migrate } from './migrate.ts';
import type { Schema } from './schema.ts';
import { Sealer } from './sealing.ts';
import { openSqlite } from './sqlite.ts';
import { type Store, StoreUnavailableError } from './store.ts';

/** The store's file, in its data directory. */
export const STORE_FILE = 'linkspan.db';

export interface StoreOptions {
  /** Holds `linkspan.db` and, unless another is named, `master.key`. Made if missing, mode 0700. */
  readonly dataDirectory: string;
  /** null: `master.key` in the data directory, made on first use. */
  readonly masterKeyFile: string | null;
}

/**
 * Opens the embedded store for this process alone and brings its tables up to date.
 * @throws {StoreUnavailableError} if the directory or the file in it cannot be used
 * @throws {StoreLockedError} while another process has it open
 * @throws {StoreTooNewError} if a newer server wrote it
 * @throws {MasterKeyError} if the key is not there that its secrets are sealed under, or is another
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const database = openSqlite(ownFile(options.dataDirectory, STORE_FILE));
  const db = new Kysely<Schema>({ dialect: new SqliteDialect({ database }) });
  try {
    await migrate(db);
    const path = options.masterKeyFile ?? join(options.dataDirectory, 'master.key');
    const key = await loadMasterKey(path, options.masterKeyFile === null, db);
    const sealer = new Sealer(key);
    await checkMasterKey(sealer, path, db);
    return new EmbeddedStore(db, sealer);
  } catch (error) {
    await db.destroy();
    throw error;
  }
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

/** A server with another key would start and then refuse every request. */
async function checkMasterKey(sealer: Sealer, path: string, db: Executor): Promise<void> {
  const key = await db.selectFrom('api_keys').select('ha1_sealed').limit(1).executeTakeFirst();
  const signingKey = await db
    .selectFrom('signing_keys')
    .select('private_key_sealed')
    .limit(1)
    .executeTakeFirst();
  const sealed = key?.ha1_sealed ?? signingKey?.private_key_sealed;
  if (sealed === undefined || sealer.hasSealed(sealed)) return;
  throw new MasterKeyError(
    `the store's secrets are sealed under another master key than that in ${path}: put the right file there, or name it with --master-key-file`,
  );
}

class EmbeddedStore implements Store {
  readonly sealer: Sealer;
  readonly #db: Kysely<Schema>;
  readonly #inTransaction = new AsyncLocalStorage<boolean>();

  constructor(db: Kysely<Schema>, sealer: Sealer) {
    this.#db = db;
    this.sealer = sealer;
  }

  get db(): Executor {
    this.#refuseInTransaction();
    return this.#db;
  }

  async transaction<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    this.#refuseInTransaction();
    return this.#db.transaction().execute((tx) => this.#inTransaction.run(true, () => work(tx)));
  }

  async close(): Promise<void> {
    await this.#db.destroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** There is one connection: waiting for it inside of its own transaction would never end. */
  #refuseInTransaction(): void {
    if (this.#inTransaction.getStore() === true) {
      throw new Error('the store is used beside the open transaction: pass the transaction on');
    }
  }
}
