import type { ExpressionBuilder } from 'kysely';

import type { Executor } from './executor.ts';
import type { MigrationNamespaceRow, Schema } from './schema.ts';

/** Of which migration, and the name. */
type Key = Omit<MigrationNamespaceRow, 'was_there'>;

/**
 * Records that the migration creates the namespace, before the command is sent (D11, C2), or takes it over.
 * Of one that is recorded, whether it was there before is set anew.
 * @param epoch of the push session for which it is: what a newer one records stays, however late this comes
 * @returns false if a newer session was opened
 */
export async function add(
  ex: Executor,
  row: MigrationNamespaceRow,
  epoch: number,
): Promise<boolean> {
  const { migration_id: id, db, coll, was_there } = row;
  const result = await ex
    .insertInto('migration_namespaces')
    .columns(['migration_id', 'db', 'coll', 'was_there'])
    .expression((eb) =>
      whileNewest(eb, id, epoch).select([
        'live_migrations.id',
        eb.val(db).as('db'),
        eb.val(coll).as('coll'),
        eb.val(was_there).as('was_there'),
      ]),
    )
    .onConflict((conflict) =>
      conflict.columns(['migration_id', 'db', 'coll']).doUpdateSet({ was_there }),
    )
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** The row of the migration while that is its epoch; nobody raises it before the statement has ended. */
function whileNewest(
  eb: Pick<ExpressionBuilder<Schema, never>, 'selectFrom'>,
  id: string,
  epoch: number,
) {
  return eb
    .selectFrom('live_migrations')
    .where('live_migrations.id', '=', id)
    .where('live_migrations.epoch', '=', epoch)
    .forShare();
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

/** Does nothing once a newer push session than that of the epoch was opened. */
export async function remove(ex: Executor, row: Key, epoch: number): Promise<void> {
  await ex
    .deleteFrom('migration_namespaces')
    .where('migration_id', '=', row.migration_id)
    .where('db', '=', row.db)
    .where('coll', '=', row.coll)
    .where((eb) => eb.exists(whileNewest(eb, row.migration_id, epoch).select('live_migrations.id')))
    .execute();
}
