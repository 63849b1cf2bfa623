import type { Kysely } from 'kysely';

/** The nodes that run, and the leases by which push sessions belong to them. */
export async function up(db: Kysely<unknown>): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('nodes')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('url', 'text')
    .addColumn('started_at', 'text', (c) => c.notNull())
    .addColumn('seen_at', 'text', (c) => c.notNull())
    .execute();
  for (const name of ['node_id', 'lease_until']) {
    await schema
      .alterTable('push_sessions')
      .addColumn(name, 'text', (c) => c.notNull().defaultTo(''))
      .execute();
  }
  for (const name of ['is_fenced', 'structure_under_way']) {
    await schema
      .alterTable('push_sessions')
      .addColumn(name, 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
  }
  await schema
    .createIndex('push_sessions_by_node')
    .on('push_sessions')
    .columns(['node_id', 'state'])
    .execute();
}
