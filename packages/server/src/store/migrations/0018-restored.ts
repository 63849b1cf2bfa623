import type { Kysely } from 'kysely';

/** Of which live migrations a backup that was restored may not know all that they have made. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('live_migrations').addColumn('restored_at', 'text').execute();
}
