import type { Kysely } from 'kysely';

/**
 * For what is asked all the time: the work of hosts, whether a cluster or project is in use, and the
 * hosts of a link. Validations and live migrations that have ended stay in their tables.
 */
export async function up({ schema }: Kysely<unknown>): Promise<void> {
  for (const table of ['live_migrations', 'validations']) {
    for (const column of ['host_id', 'cluster_id', 'project_id']) {
      await schema
        .createIndex(`${table}_by_${column.replace('_id', '')}`)
        .on(table)
        .columns([column, 'status'])
        .execute();
    }
  }
  await schema
    .createIndex('validations_by_link')
    .on('validations')
    .columns(['link_id', 'status'])
    .execute();
  await schema
    .createIndex('migration_hosts_by_link')
    .on('migration_hosts')
    .column('link_id')
    .execute();
}
