import type { Kysely } from 'kysely';

/** Service accounts with their access tokens, settings, tags, who an event is about, and pauses. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('service_accounts')
    .addColumn('client_id', 'text', (c) => c.primaryKey())
    .addColumn('org_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('service_account_roles')
    .addColumn('client_id', 'text', (c) =>
      c.notNull().references('service_accounts.client_id').onDelete('cascade'),
    )
    .addColumn('org_id', 'text', (c) => c.references('organizations.id').onDelete('cascade'))
    .addColumn('project_id', 'text', (c) => c.references('projects.id').onDelete('cascade'))
    .addColumn('role', 'text', (c) => c.notNull())
    .addUniqueConstraint('service_account_roles_once', [
      'client_id',
      'org_id',
      'project_id',
      'role',
    ])
    .execute();
  await db.schema
    .createTable('service_account_secrets')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('client_id', 'text', (c) =>
      c.notNull().references('service_accounts.client_id').onDelete('cascade'),
    )
    .addColumn('secret_hash', 'blob', (c) => c.notNull())
    .addColumn('secret_suffix', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'text', (c) => c.notNull())
    .addColumn('last_used_at', 'text')
    .execute();
  await db.schema
    .createTable('service_account_access_list')
    .addColumn('client_id', 'text', (c) =>
      c.notNull().references('service_accounts.client_id').onDelete('cascade'),
    )
    .addColumn('cidr', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('service_account_access_list_key', ['client_id', 'cidr'])
    .execute();
  await db.schema
    .createTable('access_tokens')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('client_id', 'text', (c) =>
      c.notNull().references('service_accounts.client_id').onDelete('cascade'),
    )
    .addColumn('secret_id', 'text', (c) =>
      c.notNull().references('service_account_secrets.id').onDelete('cascade'),
    )
    .addColumn('issued_at', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('signing_keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('private_key_sealed', 'blob', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('access_tokens_by_client')
    .on('access_tokens')
    .columns(['client_id', 'expires_at'])
    .execute();
  // A secret that is removed takes its tokens with it.
  await db.schema
    .createIndex('access_tokens_by_secret')
    .on('access_tokens')
    .column('secret_id')
    .execute();
  await db.schema
    .createIndex('service_account_secrets_by_client')
    .on('service_account_secrets')
    .column('client_id')
    .execute();
  await db.schema
    .alterTable('organizations')
    .addColumn('settings', 'text', (c) => c.notNull().defaultTo('{}'))
    .execute();
  await db.schema
    .alterTable('organizations')
    .addColumn('kept', 'text', (c) => c.notNull().defaultTo('{}'))
    .execute();
  await db.schema
    .alterTable('projects')
    .addColumn('kept', 'text', (c) => c.notNull().defaultTo('{}'))
    .execute();
  await db.schema
    .alterTable('projects')
    .addColumn('tags', 'text', (c) => c.notNull().defaultTo('[]'))
    .execute();
  await db.schema.alterTable('live_migrations').addColumn('paused_at', 'text').execute();
  await db.schema.alterTable('live_migrations').addColumn('canceled_at', 'text').execute();
  await db.schema.alterTable('migration_hosts').addColumn('unlinked_at', 'text').execute();
  await db.schema.alterTable('events').addColumn('client_id', 'text').execute();
  await db.schema.alterTable('events').addColumn('cluster_name', 'text').execute();
  // With everything that a filter asks for, so that a page is counted and cut within the index.
  await db.schema.dropIndex('events_by_org').execute();
  const filters = ['created_at', 'sequence', 'event_type'];
  await db.schema
    .createIndex('events_by_org')
    .on('events')
    .columns(['org_id', ...filters, 'project_id'])
    .execute();
  await db.schema
    .createIndex('events_by_project')
    .on('events')
    .columns(['project_id', ...filters, 'cluster_name'])
    .execute();
  for (const table of ['api_key_access_list', 'service_account_access_list']) {
    await db.schema
      .alterTable(table)
      .addColumn('request_count', 'integer', (c) => c.notNull().defaultTo(0))
      .execute();
    await db.schema.alterTable(table).addColumn('last_used_at', 'text').execute();
    await db.schema.alterTable(table).addColumn('last_used_address', 'text').execute();
  }
}
