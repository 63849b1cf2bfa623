import type { Kysely } from 'kysely';

/** Names, throttle and window of live migrations, and what becomes of copied data at a cancel. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema.alterTable('live_migrations').addColumn('namespaces', 'text').execute();
  await schema.alterTable('live_migrations').addColumn('throttle', 'text').execute();
  await schema
    .alterTable('live_migrations')
    .addColumn('window_hours', 'integer', (c) => c.notNull().defaultTo(120))
    .execute();
  await schema.alterTable('live_migrations').addColumn('window_began_at', 'text').execute();
  await schema.alterTable('live_migrations').addColumn('window_warned_hours', 'integer').execute();
  await schema.alterTable('live_migrations').addColumn('copied_data', 'text').execute();
  await schema.alterTable('validations').addColumn('namespaces', 'text').execute();
}
