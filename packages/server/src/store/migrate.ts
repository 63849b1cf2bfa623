import { type Kysely, sql } from 'kysely';
import { timestamp } from '../domain/time.ts';
import type { Executor } from './executor.ts';
import * as initial from './migrations/0001-initial.ts';
import * as accounts from './migrations/0002-accounts.ts';
import * as nodes from './migrations/0003-nodes.ts';
import * as suspension from './migrations/0006-suspension.ts';
import * as leases from './migrations/0008-leases.ts';
import * as verification from './migrations/0009-verification.ts';
import * as hosts from './migrations/0010-hosts.ts';
import * as subLeases from './migrations/0011-sub-leases.ts';
import * as hostRemovals from './migrations/0012-host-removals.ts';
import * as nodeKeys from './migrations/0013-node-keys.ts';
import * as indexes from './migrations/0014-indexes.ts';
import * as writeBlockHost from './migrations/0015-write-block-host.ts';
import * as lastStructure from './migrations/0016-last-structure.ts';
import * as wasThere from './migrations/0017-was-there.ts';
import * as restored from './migrations/0018-restored.ts';
import type { StoreDialect } from './dialects/dialect.ts';
import * as control from './migrations/0004-control.ts';
import * as writeBlock from './migrations/0005-write-block.ts';
import * as estimates from './migrations/0007-estimates.ts';

interface Migration {
  readonly name: string;
  /**
   * Written once for every database: column types are `text`, `integer`, `real` and `blob`, an
   * `autoIncrement()` is one everywhere (see `dialects/`).
   */
  readonly up: (db: Kysely<unknown>, dialect: StoreDialect) => Promise<void>;
}

/** In order; the schema's version is the number of those applied. */
const MIGRATIONS: readonly Migration[] = [
  { name: '0001-initial', up: initial.up },
  { name: '0002-accounts', up: accounts.up },
  { name: '0003-nodes', up: nodes.up },
  { name: '0004-control', up: control.up },
  { name: '0005-write-block', up: writeBlock.up },
  { name: '0006-suspension', up: suspension.up },
  { name: '0007-estimates', up: estimates.up },
  { name: '0008-leases', up: leases.up },
  { name: '0009-verification', up: verification.up },
  { name: '0010-hosts', up: hosts.up },
  { name: '0011-sub-leases', up: subLeases.up },
  { name: '0012-host-removals', up: hostRemovals.up },
  { name: '0013-node-keys', up: nodeKeys.up },
  { name: '0014-indexes', up: indexes.up },
  { name: '0015-write-block-host', up: writeBlockHost.up },
  { name: '0016-last-structure', up: lastStructure.up },
  { name: '0017-was-there', up: wasThere.up },
  { name: '0018-restored', up: restored.up },
];

/** The store was written by a newer server than this one (rule C15). */
export class StoreTooNewError extends Error {
  override readonly name = 'StoreTooNewError';
}

/** The schema version that this server works with. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** The store's schema version; 0 where it has no tables yet. */
export async function schemaVersion(db: Executor, dialect: StoreDialect): Promise<number> {
  const tables = await dialect.tables(db);
  return tables.includes('schema_migrations') ? highestApplied(db) : 0;
}

async function highestApplied(db: Executor): Promise<number> {
  const { rows } = await sql<{
    version: number | null;
  }>`select max(version) as version from schema_migrations`.execute(db);
  return rows[0]?.version ?? 0;
}

/**
 * Brings the store's tables to this server's version, in one transaction; of several nodes that start
 * at the same time one does it, and the others wait.
 * @returns the version that it had
 * @throws {StoreTooNewError} if the store is newer than this server knows
 */
export async function migrate(db: Executor, dialect: StoreDialect): Promise<number> {
  return db.transaction().execute(async (tx) => {
    await dialect.lockSchema(tx);
    await sql`create table if not exists schema_migrations
      (version integer primary key, name text not null, applied_at text not null)`.execute(tx);
    const current = await highestApplied(tx);
    if (current > SCHEMA_VERSION) {
      throw new StoreTooNewError(
        `the store has schema version ${current}, this server knows up to ${SCHEMA_VERSION}: start a newer server`,
      );
    }
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < current) continue;
      await migration.up(tx as unknown as Kysely<unknown>, dialect);
      await sql`insert into schema_migrations (version, name, applied_at)
        values (${index + 1}, ${migration.name}, ${timestamp()})`.execute(tx);
    }
    return current;
  });
}
