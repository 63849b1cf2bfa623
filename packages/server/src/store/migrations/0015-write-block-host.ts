import type { Kysely } from 'kysely';

/** Which migration host has blocked the writes of a live migration's source, for the one that follows it. */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  await schema.alterTable('live_migrations').addColumn('write_block_host_id', 'text').execute();
}
