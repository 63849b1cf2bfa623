import type { Selectable } from 'kysely';
import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { AccessListRow, ApiKeyRow, ApiKeyRoleRow, Schema } from './schema.ts';

/** A role that a key has in an organization or in a project. */
export type RoleAssignment = Omit<ApiKeyRoleRow, 'api_key_id'>;

/** The identity that a key's HA1 is sealed with. */
export function ha1Identity(id: string): string {
  return `api_keys.ha1/${id}`;
}

/** HA1 of the key, in hex. */
export function openHa1(sealer: Sealer, row: ApiKeyRow): string {
  return sealer.open(ha1Identity(row.id), row.ha1_sealed);
}

export async function insert(ex: Executor, row: ApiKeyRow): Promise<void> {
  await ex.insertInto('api_keys').values(row).execute();
}

export async function findByPublicKey(
  ex: Executor,
  publicKey: string,
): Promise<ApiKeyRow | undefined> {
  return ex
    .selectFrom('api_keys')
    .selectAll()
    .where('public_key', '=', publicKey)
    .executeTakeFirst();
}

export async function findInOrganization(
  ex: Executor,
  orgId: string,
  id: string,
): Promise<ApiKeyRow | undefined> {
  return ex
    .selectFrom('api_keys')
    .selectAll()
    .where('org_id', '=', orgId)
    .where('id', '=', id)
    .executeTakeFirst();
}

export async function listByOrganization(ex: Executor, orgId: string): Promise<ApiKeyRow[]> {
  return ex
    .selectFrom('api_keys')
    .selectAll()
    .where('org_id', '=', orgId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

/** Keys that have a role in the project. */
export async function listByProject(ex: Executor, projectId: string): Promise<ApiKeyRow[]> {
  const ids = ex
    .selectFrom('api_key_roles')
    .select('api_key_id')
    .where('project_id', '=', projectId);
  return ex
    .selectFrom('api_keys')
    .selectAll()
    .where('id', 'in', ids)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export async function setDescription(ex: Executor, id: string, description: string): Promise<void> {
  await ex.updateTable('api_keys').set({ description }).where('id', '=', id).execute();
}

/** @returns false if there was no such key */
export async function remove(ex: Executor, id: string): Promise<boolean> {
  const result = await ex.deleteFrom('api_keys').where('id', '=', id).executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** The key of an organization link. */
export async function findOfLink(ex: Executor, linkId: string): Promise<ApiKeyRow | undefined> {
  return ex.selectFrom('api_keys').selectAll().where('link_id', '=', linkId).executeTakeFirst();
}

/** Those in the organization come first. */
export async function roles(ex: Executor, id: string): Promise<RoleAssignment[]> {
  return ex
    .selectFrom('api_key_roles')
    .select(['org_id', 'project_id', 'role'])
    .where('api_key_id', '=', id)
    .orderBy((eb) => eb('project_id', 'is not', null))
    .orderBy('role')
    .execute();
}

/** Roles of every key of the organization, by key id. */
export async function rolesByKey(
  ex: Executor,
  orgId: string,
): Promise<Map<string, RoleAssignment[]>> {
  const rows = await ex
    .selectFrom('api_key_roles')
    .innerJoin('api_keys', 'api_keys.id', 'api_key_roles.api_key_id')
    .select([
      'api_key_roles.api_key_id',
      'api_key_roles.org_id',
      'api_key_roles.project_id',
      'api_key_roles.role',
    ])
    .where('api_keys.org_id', '=', orgId)
    .orderBy((eb) => eb('api_key_roles.project_id', 'is not', null))
    .orderBy('api_key_roles.role')
    .execute();
  return Map.groupBy(rows, (row) => row.api_key_id);
}

/** Gives the key exactly these roles in the organization; those in projects stay. */
export async function setOrganizationRoles(
  ex: Executor,
  id: string,
  orgId: string,
  names: readonly string[],
): Promise<void> {
  await ex
    .deleteFrom('api_key_roles')
    .where('api_key_id', '=', id)
    .where('org_id', '=', orgId)
    .execute();
  for (const role of new Set(names)) {
    await ex
      .insertInto('api_key_roles')
      .values({ api_key_id: id, org_id: orgId, project_id: null, role })
      .execute();
  }
}

/** Gives the key exactly these roles in the project; an empty list takes it out of the project. */
export async function setProjectRoles(
  ex: Executor,
  id: string,
  projectId: string,
  names: readonly string[],
): Promise<void> {
  await ex
    .deleteFrom('api_key_roles')
    .where('api_key_id', '=', id)
    .where('project_id', '=', projectId)
    .execute();
  for (const role of new Set(names)) {
    await ex
      .insertInto('api_key_roles')
      .values({ api_key_id: id, org_id: null, project_id: projectId, role })
      .execute();
  }
}

/** An entry of an access list with what it was good for. */
export type UsedEntry = Selectable<Schema['api_key_access_list']>;

export async function accessList(ex: Executor, id: string): Promise<UsedEntry[]> {
  return ex
    .selectFrom('api_key_access_list')
    .selectAll()
    .where('api_key_id', '=', id)
    .orderBy('created_at')
    .orderBy('cidr')
    .execute();
}

/** An entry that is there already is left alone. */
export async function addAccessListEntry(ex: Executor, row: AccessListRow): Promise<void> {
  await ex
    .insertInto('api_key_access_list')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}

/** @returns false if there was no such entry */
export async function removeAccessListEntry(
  ex: Executor,
  id: string,
  cidr: string,
): Promise<boolean> {
  const result = await ex
    .deleteFrom('api_key_access_list')
    .where('api_key_id', '=', id)
    .where('cidr', '=', cidr)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
