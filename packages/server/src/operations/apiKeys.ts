import type {
  AddApiKeyToGroup,
  ApiKey,
  CreateGroupApiKey,
  CreateOrgApiKey,
  UpdateGroupApiKey,
  UpdateOrgApiKey,
} from '@linkspan/contract/api/apiKeys.ts';
import type { Principal } from '../domain/access.ts';
import type { EventType } from '../domain/eventTypes.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as projects from '../store/projects.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import { insertKey, toApiKey } from './keys.ts';
import type { LinkRemoval } from './linkRemoval.ts';
import { checkGroupRoles, checkOrgRoles, requireOwnership } from './givenRoles.ts';
import { keepAnOwner } from './owners.ts';

export async function listOfOrganization(
  context: OperationContext,
  orgId: string,
  base: string,
): Promise<ApiKey[]> {
  const { db } = context.store;
  const roles = await apiKeys.rolesByKey(db, orgId);
  const rows = await apiKeys.listByOrganization(db, orgId);
  return rows.map((row) => toApiKey(row, roles.get(row.id) ?? [], base));
}

export async function listOfProject(
  context: OperationContext,
  groupId: string,
  base: string,
): Promise<ApiKey[]> {
  const { db } = context.store;
  const rows = await apiKeys.listByProject(db, groupId);
  const shown: ApiKey[] = [];
  for (const row of rows) {
    const roles = await apiKeys.roles(db, row.id);
    shown.push(toApiKey(row, roles.filter(isOrgRoleOr(groupId)), base));
  }
  return shown;
}

export async function get(
  context: OperationContext,
  orgId: string,
  id: string,
  base: string,
): Promise<ApiKey> {
  const { db } = context.store;
  const row = await load(db, orgId, id);
  return toApiKey(row, await apiKeys.roles(db, id), base);
}

export async function createInOrganization(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  body: CreateOrgApiKey,
  base: string,
): Promise<ApiKey> {
  checkOrgRoles(body.roles, orgId);
  return create(context, principal, orgId, body.desc, base, null, (tx, id) =>
    apiKeys.setOrganizationRoles(tx, id, orgId, body.roles),
  );
}

/** A key for one project; a member of the organization, as recorded. */
export async function createInProject(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: CreateGroupApiKey,
  base: string,
): Promise<ApiKey> {
  checkGroupRoles(body.roles, groupId);
  requireOwnership(principal, groupId, body.roles);
  const project = await projects.find(context.store.db, groupId);
  if (project === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
  const orgId = project.org_id;
  return create(context, principal, orgId, body.desc, base, groupId, async (tx, id) => {
    await apiKeys.setOrganizationRoles(tx, id, orgId, ['ORG_MEMBER']);
    await apiKeys.setProjectRoles(tx, id, groupId, body.roles);
  });
}

export async function updateInOrganization(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  id: string,
  body: UpdateOrgApiKey,
  base: string,
): Promise<ApiKey> {
  const { roles } = body;
  if (roles !== undefined) checkOrgRoles(roles, orgId);
  await context.store.transaction(async (tx) => {
    const row = await loadChangeable(tx, orgId, id);
    await describe(tx, principal, row, body.desc);
    if (roles === undefined) return;
    if (!roles.includes('ORG_OWNER')) await keepAnOwner(tx, orgId, id);
    await apiKeys.setOrganizationRoles(tx, id, orgId, roles);
    await recordRoles(tx, principal, orgId, null, id, roles);
  });
  return get(context, orgId, id, base);
}

/**
 * Gives a key of the organization these roles in the project.
 * @throws {ApiError} API_KEY_NOT_FOUND for a change of the text alone of a key that has no role there,
 *   INVALID_ATTRIBUTE for one together with its first roles there (rule C9)
 */
export async function updateInProject(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
  body: UpdateGroupApiKey,
  base: string,
): Promise<ApiKey> {
  const { roles } = body;
  if (roles !== undefined) checkGroupRoles(roles, groupId);
  return context.store.transaction(async (tx) => {
    const project = await projects.find(tx, groupId);
    if (project === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
    const row = await loadChangeable(tx, project.org_id, id);
    const before = await rolesInProject(tx, groupId, id);
    if (roles === undefined && before.length === 0) throw apiError('API_KEY_NOT_FOUND', id);
    if (before.length === 0 && body.desc !== undefined && body.desc !== row.description) {
      throw attributeError(
        'INVALID_ATTRIBUTE',
        'desc',
        'cannot be changed together with the first roles of the key in this project: give the roles alone',
      );
    }
    await describe(tx, principal, row, body.desc);
    if (roles !== undefined) {
      requireOwnership(principal, groupId, [...before, ...roles]);
      await apiKeys.setProjectRoles(tx, id, groupId, roles);
      await recordRoles(tx, principal, project.org_id, groupId, id, roles);
    }
    const shown = (await apiKeys.roles(tx, id)).filter(isOrgRoleOr(groupId));
    return toApiKey(await load(tx, project.org_id, id), shown, base);
  });
}

/** Gives a key of the organization roles in the project beside those that it has there. */
export async function addToProject(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
  body: AddApiKeyToGroup,
): Promise<void> {
  const added = body.flatMap((assignment) => assignment.roles ?? []);
  checkGroupRoles(added, groupId);
  if (added.length === 0) throw apiError('MISSING_API_KEY_ROLES');
  await context.store.transaction(async (tx) => {
    const project = await projects.find(tx, groupId);
    if (project === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
    await loadChangeable(tx, project.org_id, id);
    const before = await rolesInProject(tx, groupId, id);
    const roles = [...new Set([...before, ...added])];
    await apiKeys.setProjectRoles(tx, id, groupId, roles);
    const type = before.length === 0 ? 'API_KEY_ADDED_TO_GROUP' : 'API_KEY_ROLES_CHANGED';
    await recordRoles(tx, principal, project.org_id, groupId, id, roles, type);
  });
}

/**
 * Takes a key out of a project; the key stays in the organization.
 * @throws {ApiError} API_KEY_NOT_FOUND for a key that has no role there
 */
export async function removeFromProject(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    const project = await projects.find(tx, groupId);
    if (project === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
    await loadChangeable(tx, project.org_id, id);
    const before = await rolesInProject(tx, groupId, id);
    if (before.length === 0) throw apiError('API_KEY_NOT_FOUND', id);
    requireOwnership(principal, groupId, before);
    await apiKeys.setProjectRoles(tx, id, groupId, []);
    await recordRoles(tx, principal, project.org_id, groupId, id, [], 'API_KEY_REMOVED_FROM_GROUP');
  });
}

/**
 * Removes a key. Removing the key of the link is removing the link-token; while that goes on the key is
 * gone, and whoever asks again joins the wait (rule C3).
 * @throws {ApiError} API_KEY_NOT_FOUND
 */
export async function remove(
  context: OperationContext,
  removal: LinkRemoval,
  principal: Principal,
  orgId: string,
  id: string,
): Promise<void> {
  const { db } = context.store;
  const row = await apiKeys.findInOrganization(db, orgId, id);
  const linkId = row === undefined ? await linkRemovedWith(db, orgId, id) : row.link_id;
  if (linkId !== null) {
    await removal.removeOne(linkId, actorOf(principal));
    return;
  }
  if (row === undefined) throw apiError('API_KEY_NOT_FOUND', id);
  await context.store.transaction(async (tx) => {
    await load(tx, orgId, id);
    await keepAnOwner(tx, orgId, id);
    await apiKeys.remove(tx, id);
    await events.record(tx, {
      type: 'API_KEY_DELETED',
      orgId,
      actor: actorOf(principal),
      targetId: id,
      detail: { publicKey: row.public_key },
    });
  });
}

/** The link of the organization that is being removed, if that was its key; else null. */
async function linkRemovedWith(ex: Executor, orgId: string, id: string): Promise<string | null> {
  const link = await links.findByOrganization(ex, orgId);
  return link?.state === 'REMOVING' && link.api_key_id === id ? link.id : null;
}

/** @throws {ApiError} API_KEY_NOT_FOUND unless the organization has the key (rule C9) */
export async function load(ex: Executor, orgId: string, id: string): Promise<ApiKeyRow> {
  const row = await apiKeys.findInOrganization(ex, orgId, id);
  if (row === undefined) throw apiError('API_KEY_NOT_FOUND', id);
  return row;
}

/** @throws {ApiError} CANNOT_MODIFY_LINK_API_KEY for the key of the link (rule C5) */
export async function loadChangeable(ex: Executor, orgId: string, id: string): Promise<ApiKeyRow> {
  const row = await load(ex, orgId, id);
  if (row.link_id !== null) throw apiError('CANNOT_MODIFY_LINK_API_KEY', id);
  return row;
}

async function rolesInProject(tx: Executor, groupId: string, id: string): Promise<string[]> {
  const roles = await apiKeys.roles(tx, id);
  return roles.filter(({ project_id }) => project_id === groupId).map(({ role }) => role);
}

async function create(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  description: string,
  base: string,
  groupId: string | null,
  giveRoles: (tx: Executor, id: string) => Promise<void>,
): Promise<ApiKey> {
  const { store } = context;
  return store.transaction(async (tx) => {
    const key = await insertKey(tx, store.sealer, { orgId, description, linkId: null });
    await giveRoles(tx, key.row.id);
    await events.record(tx, {
      type: 'API_KEY_CREATED',
      orgId,
      projectId: groupId,
      actor: actorOf(principal),
      targetId: key.row.id,
      detail: { publicKey: key.row.public_key },
    });
    return toApiKey(key.row, await apiKeys.roles(tx, key.row.id), base, key.privateKey);
  });
}

async function describe(
  tx: Executor,
  principal: Principal,
  row: ApiKeyRow,
  description: string | undefined,
): Promise<void> {
  if (description === undefined || description === row.description) return;
  await apiKeys.setDescription(tx, row.id, description);
  await events.record(tx, {
    type: 'API_KEY_DESCRIPTION_CHANGED',
    orgId: row.org_id,
    actor: actorOf(principal),
    targetId: row.id,
  });
}

async function recordRoles(
  tx: Executor,
  principal: Principal,
  orgId: string,
  projectId: string | null,
  id: string,
  roles: readonly string[],
  type: EventType = 'API_KEY_ROLES_CHANGED',
): Promise<void> {
  await events.record(tx, {
    type,
    orgId,
    projectId,
    actor: actorOf(principal),
    targetId: id,
    detail: { roles },
  });
}

function isOrgRoleOr(groupId: string): (role: apiKeys.RoleAssignment) => boolean {
  return (role) => role.org_id !== null || role.project_id === groupId;
}
