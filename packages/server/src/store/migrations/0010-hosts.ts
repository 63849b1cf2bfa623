import type { Kysely } from 'kysely';

/** Several migration hosts on a link: a token for each, and migrations that are given to another one. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('host_tokens')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('link_id', 'text', (c) => c.notNull().references('links.id').onDelete('cascade'))
    .addColumn('token_hash', 'blob', (c) => c.notNull().unique())
    .addColumn('token_expires_at', 'text', (c) => c.notNull())
    .addColumn('token_host_id', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await schema
    .alterTable('live_migrations')
    .addColumn('host_changes', 'integer', (c) => c.notNull().defaultTo(0))
    .execute();
  await schema.alterTable('live_migrations').addColumn('moved', 'text').execute();
  await schema.alterTable('push_sessions').addColumn('host_id', 'text').execute();
}
