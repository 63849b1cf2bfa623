import { copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { timestamp } from '../../domain/time.ts';
import * as events from '../events.ts';
import type { Executor } from '../executor.ts';
import * as facts from '../facts.ts';
import * as links from '../links.ts';
import * as liveMigrations from '../liveMigrations.ts';
import { openSealer } from '../masterKey.ts';
import { migrate, schemaVersion } from '../migrate.ts';
import * as migrationEvents from '../migrationEvents.ts';
import { connect, type Connected, requireStore, STORE_FILE, type StoreOptions } from '../open.ts';
import * as restoredMigrations from '../restoredMigrations.ts';
import { BackupError } from './backup.ts';

/**
 * More sessions than any migration opens between a backup and its loss: with a session every ten
 * seconds, 115 days. The same of cutovers, verifications and repairs, which a script may ask for.
 */
const LEAP = 1_000_000;

const CUTOVER_FAILED =
  'the server was restored from a backup that was made during the cutover: cut over again';

export interface Restored {
  /** When the backup was made; null where it does not say. */
  readonly backedUpAt: string | null;
  /** Links that wait for an owner now. */
  readonly suspendedLinks: number;
}

/**
 * Puts a backup in the place of an embedded store, and suspends its links (rule C8).
 * @throws {BackupError} if there is a store already, the file is none, or the options name a store in PostgreSQL
 * @throws {MasterKeyError} if the master key is not there that the backup is sealed under
 * @throws {StoreTooNewError} if a newer server made it
 */
export async function restoreStore(path: string, options: StoreOptions): Promise<Restored> {
  const { dataDirectory, url } = options;
  if (url !== undefined) {
    throw new BackupError(
      "the store is in PostgreSQL: restore it with PostgreSQL's own tools, such as pg_restore, and call `linkspan store restored` then. For an embedded store, take LINKSPAN_SERVER_STORE, --store and --store-file away",
    );
  }
  const place = join(dataDirectory, STORE_FILE);
  // A log that is left of the store before would be played into the backup.
  const inTheWay = ['', '-wal', '-shm', '-journal'].map((end) => place + end).filter(existsSync);
  if (inTheWay.length > 0) {
    throw new BackupError(
      `${inTheWay.join(', ')} is there already: stop the server, and move what is left of the store before away`,
    );
  }
  if (!existsSync(path)) throw new BackupError(`there is no file ${path}`);
  const preparing = join(dataDirectory, 'restoring');
  rmSync(preparing, { recursive: true, force: true });
  mkdirSync(preparing, { recursive: true, mode: 0o700 });
  try {
    copyFileSync(path, join(preparing, STORE_FILE));
    const connected = connect({ ...options, dataDirectory: preparing });
    let restored: Restored;
    try {
      if ((await schemaVersion(connected.db, connected.dialect)) === 0) {
        throw new BackupError(`${path} is no backup of a store`);
      }
      await migrate(connected.db, connected.dialect);
      await openSealer(options, connected.db);
      restored = await markRestored(connected);
    } finally {
      await connected.close();
    }
    renameSync(join(preparing, STORE_FILE), place);
    return restored;
  } finally {
    rmSync(preparing, { recursive: true, force: true });
  }
}

/**
 * Marks a store whose database was restored from a backup by other means, as with pg_restore.
 * @throws {BackupError} while a server runs on it, or where nothing was restored: a store that is made here
 *   would be taken for the one that was
 * @throws {StoreUnavailableError} if there is no such store
 */
export async function storeRestored(options: StoreOptions): Promise<Restored> {
  requireStore(options);
  const connected = connect(options);
  try {
    if ((await schemaVersion(connected.db, connected.dialect)) === 0) {
      throw new BackupError(
        'the database has no tables of a store: restore the backup into it first, or name the one that it was restored into',
      );
    }
    await migrate(connected.db, connected.dialect);
    return await markRestored(connected);
  } finally {
    await connected.close();
  }
}

/** What happened after the backup is not known here: it must not be mistaken for what is. */
async function markRestored({ db, dialect }: Connected): Promise<Restored> {
  return db.transaction().execute(async (tx) => {
    if (await dialect.isInUse(tx)) {
      throw new BackupError('a server runs on the store: stop every node first');
    }
    await restoredMigrations.raiseEpochs(tx, LEAP);
    await failCutovers(tx);
    await restoredMigrations.raiseAttempts(tx, LEAP, CUTOVER_FAILED);
    await restoredMigrations.mark(tx, timestamp());
    // Also of what is to be dropped, which goes through a session, too.
    const migrations = [
      ...(await liveMigrations.listActive(tx, {})),
      ...(await liveMigrations.listDropping(tx)),
    ];
    await restoredMigrations.recordUnknownSessions(tx, migrations);
    await keepCopiedData(tx);
    const suspended = await links.suspendAll(tx, timestamp());
    for (const link of suspended) {
      await events.record(tx, {
        type: 'LIVE_MIGRATION_LINK_SUSPENDED',
        orgId: link.org_id,
        actor: null,
        targetId: link.id,
      });
    }
    const backedUpAt = await facts.find(tx, 'backedUpAt');
    await facts.remove(tx, 'backedUpAt');
    return { backedUpAt, suspendedLinks: suspended.length };
  });
}

async function failCutovers(tx: Executor): Promise<void> {
  for (const row of await liveMigrations.listActive(tx, {})) {
    if (row.cutover_attempt === row.cutover_failed_attempt) continue;
    const detail = { cutoverAttempt: row.cutover_attempt, reason: CUTOVER_FAILED };
    await migrationEvents.record(tx, row, 'LIVE_MIGRATION_CUTOVER_FAILED', null, detail);
  }
}

/** What was to be dropped when the backup was made may be another migration's by now. */
async function keepCopiedData(tx: Executor): Promise<void> {
  for (const migration of await liveMigrations.listDropping(tx)) {
    await liveMigrations.endDropping(tx, migration.id, 'KEPT');
  }
}
