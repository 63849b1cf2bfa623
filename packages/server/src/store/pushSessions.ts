import type { Executor } from './executor.ts';
import type { PushSessionRow } from './schema.ts';

export async function insert(ex: Executor, row: PushSessionRow): Promise<void> {
  await ex.insertInto('push_sessions').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<PushSessionRow | undefined> {
  return ex.selectFrom('push_sessions').selectAll().where('id', '=', id).executeTakeFirst();
}

/** Sessions that may have writes under way, of one link, migration or cluster; all without one. */
export async function listOpen(
  ex: Executor,
  of: Partial<Pick<PushSessionRow, 'link_id' | 'migration_id' | 'cluster_id'>> = {},
): Promise<PushSessionRow[]> {
  let query = ex.selectFrom('push_sessions').selectAll().where('state', '=', 'OPEN');
  if (of.link_id !== undefined) query = query.where('link_id', '=', of.link_id);
  if (of.migration_id !== undefined) query = query.where('migration_id', '=', of.migration_id);
  if (of.cluster_id !== undefined) query = query.where('cluster_id', '=', of.cluster_id);
  return query.orderBy('opened_at').orderBy('id').execute();
}

/**
 * Each write the session sent is known to be answered, or to be gone.
 * @returns false if it was settled already
 */
export async function settle(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .updateTable('push_sessions')
    .set({ state: 'SETTLED' })
    .where('id', '=', id)
    .where('state', '=', 'OPEN')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
