import type { Executor } from './executor.ts';
import type { ProjectRow } from './schema.ts';

export async function insert(ex: Executor, row: ProjectRow): Promise<void> {
  await ex.insertInto('projects').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<ProjectRow | undefined> {
  return ex.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findByName(
  ex: Executor,
  orgId: string,
  name: string,
): Promise<ProjectRow | undefined> {
  return ex
    .selectFrom('projects')
    .selectAll()
    .where('org_id', '=', orgId)
    .where('name', '=', name)
    .executeTakeFirst();
}

export async function listByOrganization(ex: Executor, orgId: string): Promise<ProjectRow[]> {
  return ex
    .selectFrom('projects')
    .selectAll()
    .where('org_id', '=', orgId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export async function update(
  ex: Executor,
  id: string,
  changed: Pick<ProjectRow, 'name' | 'tags' | 'kept'>,
): Promise<void> {
  await ex.updateTable('projects').set(changed).where('id', '=', id).execute();
}

/** How many clusters each project of the organization has, by project id. */
export async function clusterCounts(ex: Executor, orgId: string): Promise<Map<string, number>> {
  const rows = await ex
    .selectFrom('clusters')
    .innerJoin('projects', 'projects.id', 'clusters.project_id')
    .select((eb) => ['clusters.project_id', eb.fn.countAll<number>().as('count')])
    .where('projects.org_id', '=', orgId)
    .groupBy('clusters.project_id')
    .execute();
  return new Map(rows.map((row) => [row.project_id, row.count]));
}

/**
 * Removes a project with the record of its ended migrations and validations. It must have no
 * cluster, no active migration and no session that may still write.
 */
export async function remove(ex: Executor, id: string): Promise<void> {
  const migrations = ex.selectFrom('live_migrations').select('id').where('project_id', '=', id);
  await ex.deleteFrom('push_sessions').where('migration_id', 'in', migrations).execute();
  await ex.deleteFrom('live_migrations').where('project_id', '=', id).execute();
  await ex.deleteFrom('validations').where('project_id', '=', id).execute();
  await ex.deleteFrom('projects').where('id', '=', id).execute();
}
