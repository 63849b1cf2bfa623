import { type Kysely, sql } from 'kysely';
import type { StoreDialect } from '../dialects/dialect.ts';

/** What several nodes on one store share: the store's key, rate limits and nonce counts. */
export async function up(db: Kysely<unknown>, dialect: StoreDialect): Promise<void> {
  await db.schema
    .createTable('store_facts')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('value', 'text', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('rate_limit_buckets')
    .addColumn('name', 'text', (c) => c.primaryKey())
    .addColumn('tokens', 'real', (c) => c.notNull())
    .addColumn('allowed', 'integer', (c) => c.notNull())
    .addColumn('updated_at', 'real', (c) => c.notNull())
    .execute();
  await db.schema
    .createTable('nonce_uses')
    .addColumn('nonce', 'text', (c) => c.notNull())
    .addColumn('count', 'integer', (c) => c.notNull())
    .addColumn('expires_at', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('nonce_uses_once', ['nonce', 'count'])
    .execute();
  await db.schema
    .createIndex('nonce_uses_by_expiry')
    .on('nonce_uses')
    .column('expires_at')
    .execute();
  // Written with every request, and lost without harm in a crash: no log is written for it.
  if (dialect.isShared) await sql`alter table rate_limit_buckets set unlogged`.execute(db);
}
