import { sql } from 'kysely';
import type { Durability } from '../dialects/dialect.ts';
import * as facts from '../facts.ts';
import { migrate, SCHEMA_VERSION, schemaVersion } from '../migrate.ts';
import { connect, requireStore, type StoreOptions } from '../open.ts';
import { countByKey } from '../sealedValues.ts';

export interface StoreStatus {
  readonly store: 'SQLite' | 'PostgreSQL';
  /** 0 where it has no tables yet. */
  readonly schemaVersion: number;
  /** What this version of Linkspan works with. */
  readonly knownVersion: number;
  readonly rows: Readonly<Record<string, number>>;
  readonly durability: Durability;
  /** Of the key that secrets are sealed under; null before there is one. */
  readonly masterKeyId: string | null;
  /** How many are sealed under which key, by its id. */
  readonly sealed: Readonly<Record<string, number>>;
}

/**
 * Looks at a store and changes nothing.
 * @throws {StoreUnavailableError} if there is none, or it does not answer
 * @throws {StoreLockedError} while a server has the embedded store open
 */
export async function storeStatus(options: StoreOptions): Promise<StoreStatus> {
  requireStore(options);
  const { db, dialect, close } = connect(options);
  try {
    const rows: Record<string, number> = {};
    for (const name of await dialect.tables(db)) {
      const counted = await sql<{ total: number }>`
        select count(*) as total from ${sql.table(name)}`.execute(db);
      rows[name] = counted.rows[0]?.total ?? 0;
    }
    const hasTables = (await schemaVersion(db, dialect)) === SCHEMA_VERSION;
    return {
      store: dialect.name,
      schemaVersion: await schemaVersion(db, dialect),
      knownVersion: SCHEMA_VERSION,
      rows,
      durability: await dialect.durability(db),
      masterKeyId: hasTables ? await facts.find(db, 'masterKeyId') : null,
      sealed: hasTables ? Object.fromEntries(await countByKey(db)) : {},
    };
  } finally {
    await close();
  }
}

/**
 * Brings the tables up to date, as a server does when it starts.
 * @throws {StoreTooNewError} if a newer server wrote it
 * @throws {StoreLockedError} while a server has the embedded store open
 */
export async function migrateStore(
  options: StoreOptions,
): Promise<{ readonly from: number; readonly to: number }> {
  const { db, dialect, close } = connect(options);
  try {
    return { from: await migrate(db, dialect), to: SCHEMA_VERSION };
  } finally {
    await close();
  }
}
