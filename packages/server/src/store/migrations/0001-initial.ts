import type { Kysely } from 'kysely';

/** The tables described in `schema.ts`, as of version 0.1. */
export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('organizations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('projects')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('org_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addUniqueConstraint('projects_name', ['org_id', 'name'])
    .execute();
  await db.schema
    .createTable('api_keys')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('org_id', 'text', (c) => c.notNull().references('organizations.id'))
    .addColumn('public_key', 'text', (c) => c.notNull().unique())
    .addColumn('ha1_sealed', 'blob', (c) => c.notNull())
    .addColumn('private_key_suffix', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('link_id', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('api_key_roles')
    .addColumn('api_key_id', 'text', (c) =>
      c.notNull().references('api_keys.id').onDelete('cascade'),
    )
    .addColumn('org_id', 'text', (c) => c.references('organizations.id').onDelete('cascade'))
    .addColumn('project_id', 'text', (c) => c.references('projects.id').onDelete('cascade'))
    .addColumn('role', 'text', (c) => c.notNull())
    .addUniqueConstraint('api_key_roles_once', ['api_key_id', 'org_id', 'project_id', 'role'])
    .execute();
  await db.schema
    .createTable('api_key_access_list')
    .addColumn('api_key_id', 'text', (c) =>
      c.notNull().references('api_keys.id').onDelete('cascade'),
    )
    .addColumn('cidr', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('api_key_access_list_key', ['api_key_id', 'cidr'])
    .execute();
  await db.schema
    .createTable('clusters')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('uri_sealed', 'blob', (c) => c.notNull())
    .addColumn('facts', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addUniqueConstraint('clusters_name', ['project_id', 'name'])
    .execute();
  await db.schema
    .createTable('links')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('org_id', 'text', (c) => c.notNull().unique().references('organizations.id'))
    .addColumn('api_key_id', 'text')
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('token_hash', 'blob', (c) => c.notNull().unique())
    .addColumn('token_expires_at', 'text', (c) => c.notNull())
    .addColumn('token_host_id', 'text')
    .addColumn('access_list', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('migration_hosts')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('link_id', 'text', (c) => c.notNull().references('links.id').onDelete('cascade'))
    .addColumn('hostname', 'text', (c) => c.notNull())
    .addColumn('secret_hash', 'blob', (c) => c.notNull())
    .addColumn('agent_version', 'text', (c) => c.notNull())
    .addColumn('inventory', 'text', (c) => c.notNull())
    .addColumn('registered_at', 'text', (c) => c.notNull())
    .addColumn('heartbeat_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('validations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('link_id', 'text')
    .addColumn('host_id', 'text', (c) => c.notNull())
    .addColumn('cluster_id', 'text', (c) => c.notNull())
    .addColumn('drop_destination_data', 'integer', (c) => c.notNull())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('password_sealed', 'blob')
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('findings', 'text', (c) => c.notNull())
    .addColumn('error_message', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('finished_at', 'text')
    .execute();
  await db.schema
    .createTable('live_migrations')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('project_id', 'text', (c) => c.notNull().references('projects.id'))
    .addColumn('link_id', 'text')
    .addColumn('host_id', 'text', (c) => c.notNull())
    .addColumn('hostname', 'text', (c) => c.notNull())
    .addColumn('cluster_id', 'text', (c) => c.notNull())
    .addColumn('source', 'text', (c) => c.notNull())
    .addColumn('password_sealed', 'blob')
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('drop_destination_data', 'integer', (c) => c.notNull())
    .addColumn('destination_prepared', 'integer', (c) => c.notNull())
    .addColumn('cutover_attempt', 'integer', (c) => c.notNull())
    .addColumn('cutover_failed_attempt', 'integer', (c) => c.notNull())
    .addColumn('cutover_failure', 'text')
    .addColumn('failure_reason', 'text')
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('progress', 'text')
    .addColumn('progress_at', 'text')
    .addColumn('verified', 'text')
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('finished_at', 'text')
    .execute();
  await db.schema
    .createTable('migration_namespaces')
    .addColumn('migration_id', 'text', (c) =>
      c.notNull().references('live_migrations.id').onDelete('cascade'),
    )
    .addColumn('db', 'text', (c) => c.notNull())
    .addColumn('coll', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('migration_namespaces_key', ['migration_id', 'db', 'coll'])
    .execute();
  await db.schema
    .createTable('push_sessions')
    .addColumn('id', 'text', (c) => c.primaryKey())
    .addColumn('migration_id', 'text', (c) => c.notNull().references('live_migrations.id'))
    .addColumn('link_id', 'text', (c) => c.notNull())
    .addColumn('cluster_id', 'text', (c) => c.notNull())
    .addColumn('epoch', 'integer', (c) => c.notNull())
    .addColumn('secret_hash', 'blob', (c) => c.notNull())
    .addColumn('state', 'text', (c) => c.notNull())
    .addColumn('connection_name', 'text', (c) => c.notNull())
    .addColumn('opened_at', 'text', (c) => c.notNull())
    .addUniqueConstraint('push_sessions_epoch', ['migration_id', 'epoch'])
    .execute();
  await db.schema
    .createTable('events')
    .addColumn('sequence', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('id', 'text', (c) => c.notNull().unique())
    .addColumn('event_type', 'text', (c) => c.notNull())
    .addColumn('org_id', 'text', (c) => c.notNull())
    .addColumn('project_id', 'text')
    .addColumn('api_key_id', 'text')
    .addColumn('public_key', 'text')
    .addColumn('host_id', 'text')
    .addColumn('remote_address', 'text')
    .addColumn('target_id', 'text')
    .addColumn('detail', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createIndex('events_by_org')
    .on('events')
    .columns(['org_id', 'sequence'])
    .execute();
  await db.schema
    .createIndex('live_migrations_by_link')
    .on('live_migrations')
    .columns(['link_id', 'status'])
    .execute();
  await db.schema
    .createIndex('push_sessions_by_link')
    .on('push_sessions')
    .columns(['link_id', 'state'])
    .execute();
}
