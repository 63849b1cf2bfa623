import type { Kysely } from 'kysely';

/** Which structural request of a live migration was carried out last, by which an older journal is known. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  for (const column of ['structure_epoch', 'structure_number']) {
    await schema
      .alterTable('live_migrations')
      .addColumn(column, 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
  }
}
