import type { Executor } from './executor.ts';
import type { OrganizationRow } from './schema.ts';

export async function insert(ex: Executor, row: OrganizationRow): Promise<void> {
  await ex.insertInto('organizations').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<OrganizationRow | undefined> {
  return ex.selectFrom('organizations').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function list(ex: Executor): Promise<OrganizationRow[]> {
  return ex.selectFrom('organizations').selectAll().orderBy('created_at').orderBy('id').execute();
}

export async function update(
  ex: Executor,
  id: string,
  changed: Partial<Pick<OrganizationRow, 'name' | 'kept'>>,
): Promise<void> {
  await ex.updateTable('organizations').set(changed).where('id', '=', id).execute();
}

/** Its projects, keys and link have to be gone. */
export async function remove(ex: Executor, id: string): Promise<void> {
  await ex.deleteFrom('organizations').where('id', '=', id).execute();
}

/** @param settings JSON of the settings that differ from their defaults or were changed back to them */
export async function setSettings(ex: Executor, id: string, settings: string): Promise<void> {
  await ex.updateTable('organizations').set({ settings }).where('id', '=', id).execute();
}
