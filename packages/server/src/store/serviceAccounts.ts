import type { Executor } from './executor.ts';
import type { ServiceAccountRoleRow, ServiceAccountRow } from './schema.ts';

/** A role that an account has in an organization or in a project. */
export type RoleAssignment = Omit<ServiceAccountRoleRow, 'client_id'>;

export async function insert(ex: Executor, row: ServiceAccountRow): Promise<void> {
  await ex.insertInto('service_accounts').values(row).execute();
}

export async function find(ex: Executor, clientId: string): Promise<ServiceAccountRow | undefined> {
  return ex
    .selectFrom('service_accounts')
    .selectAll()
    .where('client_id', '=', clientId)
    .executeTakeFirst();
}

export async function findInOrganization(
  ex: Executor,
  orgId: string,
  clientId: string,
): Promise<ServiceAccountRow | undefined> {
  return ex
    .selectFrom('service_accounts')
    .selectAll()
    .where('org_id', '=', orgId)
    .where('client_id', '=', clientId)
    .executeTakeFirst();
}

export async function listByOrganization(
  ex: Executor,
  orgId: string,
): Promise<ServiceAccountRow[]> {
  return ex
    .selectFrom('service_accounts')
    .selectAll()
    .where('org_id', '=', orgId)
    .orderBy('created_at')
    .orderBy('client_id')
    .execute();
}

export async function update(
  ex: Executor,
  clientId: string,
  change: Pick<ServiceAccountRow, 'name' | 'description'>,
): Promise<void> {
  await ex.updateTable('service_accounts').set(change).where('client_id', '=', clientId).execute();
}

/**
 * Removes an account with its roles, secrets, access list and access tokens.
 * @returns false if there was no such account
 */
export async function remove(ex: Executor, clientId: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('service_accounts')
    .where('client_id', '=', clientId)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Those in the organization come first. */
export async function roles(ex: Executor, clientId: string): Promise<RoleAssignment[]> {
  return ex
    .selectFrom('service_account_roles')
    .select(['org_id', 'project_id', 'role'])
    .where('client_id', '=', clientId)
    .orderBy((eb) => eb('project_id', 'is not', null))
    .orderBy('project_id')
    .orderBy('role')
    .execute();
}

/** Gives the account exactly these roles in the organization; those in projects stay. */
export async function setOrganizationRoles(
  ex: Executor,
  clientId: string,
  orgId: string,
  names: readonly string[],
): Promise<void> {
  await ex
    .deleteFrom('service_account_roles')
    .where('client_id', '=', clientId)
    .where('org_id', '=', orgId)
    .execute();
  for (const role of new Set(names)) {
    await ex
      .insertInto('service_account_roles')
      .values({ client_id: clientId, org_id: orgId, project_id: null, role })
      .execute();
  }
}

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

/** Accounts that have the role in the organization and a secret that is valid at that time. */
export async function listUsableWithRole(
  ex: Executor,
  orgId: string,
  role: string,
  at: string,
): Promise<string[]> {
  const rows = await ex
    .selectFrom('service_account_roles')
    .innerJoin(
      'service_account_secrets',
      'service_account_secrets.client_id',
      'service_account_roles.client_id',
    )
    .select('service_account_roles.client_id')
    .distinct()
    .where('service_account_roles.org_id', '=', orgId)
    .where('service_account_roles.role', '=', role)
    .where('service_account_secrets.expires_at', '>', at)
    .execute();
  return rows.map((row) => row.client_id);
}
