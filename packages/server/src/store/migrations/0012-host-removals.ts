import type { Kysely } from 'kysely';

/** Removals of migration hosts that any node goes on with. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('migration_hosts').addColumn('removing_at', 'text').execute();
}
