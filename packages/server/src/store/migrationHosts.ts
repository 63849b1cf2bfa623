import type { Executor } from './executor.ts';
import type { MigrationHostRow } from './schema.ts';

export async function insert(ex: Executor, row: MigrationHostRow): Promise<void> {
  await ex.insertInto('migration_hosts').values(row).execute();
}

/** By the id that the host authenticates with. */
export async function find(ex: Executor, id: string): Promise<MigrationHostRow | undefined> {
  return ex.selectFrom('migration_hosts').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function listByLink(ex: Executor, linkId: string): Promise<MigrationHostRow[]> {
  return ex
    .selectFrom('migration_hosts')
    .selectAll()
    .where('link_id', '=', linkId)
    .orderBy('registered_at')
    .orderBy('id')
    .execute();
}

export async function listByIds(ex: Executor, ids: readonly string[]): Promise<MigrationHostRow[]> {
  if (ids.length === 0) return [];
  return ex.selectFrom('migration_hosts').selectAll().where('id', 'in', ids).execute();
}

/** Those of these hosts that are there and that the source side has not unlinked. */
export async function listLinked(
  ex: Executor,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const rows = await ex
    .selectFrom('migration_hosts')
    .select('id')
    .where('id', 'in', ids)
    .where('unlinked_at', 'is', null)
    .execute();
  return new Set(rows.map(({ id }) => id));
}

/** A heartbeat. @returns false if the host is gone or unlinked */
export async function report(
  ex: Executor,
  id: string,
  change: Pick<MigrationHostRow, 'hostname' | 'agent_version' | 'inventory' | 'heartbeat_at'>,
): Promise<boolean> {
  const result = await ex
    .updateTable('migration_hosts')
    .set(change)
    .where('id', '=', id)
    .where('unlinked_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * The source side has unlinked: the host's credentials are worth nothing from here on.
 * @returns false if the host is gone or was unlinked before
 */
export async function setUnlinked(ex: Executor, id: string, at: string): Promise<boolean> {
  const result = await ex
    .updateTable('migration_hosts')
    .set({ unlinked_at: at })
    .where('id', '=', id)
    .where('unlinked_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** From here on it is being removed, whoever goes on with that. */
export async function setRemoving(ex: Executor, id: string, at: string): Promise<void> {
  await ex
    .updateTable('migration_hosts')
    .set({ removing_at: at })
    .where('id', '=', id)
    .where('removing_at', 'is', null)
    .execute();
}

export async function listRemoving(ex: Executor): Promise<MigrationHostRow[]> {
  return ex
    .selectFrom('migration_hosts')
    .selectAll()
    .where('removing_at', 'is not', null)
    .orderBy('id')
    .execute();
}

/** Its credentials open nothing from here on. @returns false if the link has no such host */
export async function remove(ex: Executor, linkId: string, id: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('migration_hosts')
    .where('link_id', '=', linkId)
    .where('id', '=', id)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
