import type { Kysely } from 'kysely';

/** Links that wait for an owner after a backup was restored. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('links').addColumn('suspended_at', 'text').execute();
}
