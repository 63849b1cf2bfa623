import type { Kysely } from 'kysely';

/** What of a live migration is verified, and what was asked for. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('live_migrations').addColumn('verification', 'text').execute();
  await schema
    .alterTable('live_migrations')
    .addColumn('cutover_verification', 'text', (c) => c.notNull().defaultTo('CHANGED'))
    .execute();
  for (const name of ['verify_attempt', 'repair_attempt', 'history_losses']) {
    await schema
      .alterTable('live_migrations')
      .addColumn(name, 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
  }
}
