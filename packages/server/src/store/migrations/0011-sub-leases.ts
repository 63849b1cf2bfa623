import type { Kysely } from 'kysely';

/** Copy ranges of one migration on several migration hosts: who copies through whose push session. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('push_sessions')
    .addColumn('offers_ranges', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await schema
    .createTable('sub_leases')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('session_id', 'text', (c) =>
      c.notNull().references('push_sessions.id').onDelete('cascade'),
    )
    .addColumn('host_id', 'text', (c) => c.notNull())
    .execute();
  await schema.createIndex('sub_leases_by_session').on('sub_leases').column('session_id').execute();
}
