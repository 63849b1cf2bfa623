import type { Kysely } from 'kysely';

/** Whether a cutover blocks the writes of the source, for live migrations and their validations. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ['live_migrations', 'validations']) {
    await db.schema
      .alterTable(table)
      .addColumn('block_source_writes', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
  }
}
