import type { Executor } from './executor.ts';
import type { MigrationNamespaceRow } from './schema.ts';

/** Of which migration, and the name. */
type Key = Omit<MigrationNamespaceRow, 'was_there'>;

/**
 * Records that the migration creates the namespace, before the command is sent (D11, C2), or takes it over.
 * Of one that is recorded, whether it was there before is set anew.
 */
export async function add(ex: Executor, row: MigrationNamespaceRow): Promise<void> {
  await ex
    .insertInto('migration_namespaces')
    .values(row)
    .onConflict((conflict) =>
      conflict.columns(['migration_id', 'db', 'coll']).doUpdateSet({ was_there: row.was_there }),
    )
    .execute();
}

export async function has(ex: Executor, row: Key): Promise<boolean> {
  const found = await ex
    .selectFrom('migration_namespaces')
    .select('migration_id')
    .where('migration_id', '=', row.migration_id)
    .where('db', '=', row.db)
    .where('coll', '=', row.coll)
    .executeTakeFirst();
  return found !== undefined;
}

export async function list(ex: Executor, migrationId: string): Promise<MigrationNamespaceRow[]> {
  return ex
    .selectFrom('migration_namespaces')
    .selectAll()
    .where('migration_id', '=', migrationId)
    .orderBy('db')
    .orderBy('coll')
    .execute();
}

export async function remove(ex: Executor, row: Key): Promise<void> {
  await ex
    .deleteFrom('migration_namespaces')
    .where('migration_id', '=', row.migration_id)
    .where('db', '=', row.db)
    .where('coll', '=', row.coll)
    .execute();
}
