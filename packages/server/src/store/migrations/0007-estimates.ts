import type { Kysely } from 'kysely';

/** What a validation estimates. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('validations').addColumn('estimate', 'text').execute();
}
