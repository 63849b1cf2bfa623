import type { Kysely } from 'kysely';

/** Which master keys each node knows. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .alterTable('nodes')
    .addColumn('key_ids', 'text', (c) => c.notNull().defaultTo('[]'))
    .execute();
}
