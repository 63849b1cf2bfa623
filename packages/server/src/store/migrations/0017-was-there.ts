import type { Kysely } from 'kysely';

/** Whether a namespace was at the destination before the migration, so that a cancel leaves it there. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('migration_namespaces')
    .addColumn('was_there', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
}
