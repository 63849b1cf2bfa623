import type { Executor } from './executor.ts';

/** Gives the account exactly these roles in the project; an empty list takes it out of it. */
export async function setProjectRoles(
  ex: Executor,
  clientId: string,
  projectId: string,
  names: readonly string[],
): Promise<void> {
  await ex
    .deleteFrom('service_account_roles')
    .where('client_id', '=', clientId)
    .where('project_id', '=', projectId)
    .execute();
  for (const role of new Set(names)) {
    await ex
      .insertInto('service_account_roles')
      .values({ client_id: clientId, org_id: null, project_id: projectId, role })
      .execute();
  }
}
