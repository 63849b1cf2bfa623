import { isName } from '@linkspan/contract/api/common.ts';
import type {
  CreateProject,
  Project,
  Tag,
  UpdateProject,
} from '@linkspan/contract/api/projects.ts';
import { type Credential, isAllowed, isMemberOfProject, type Principal } from '../domain/access.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as organizations from '../store/organizations.ts';
import * as projects from '../store/projects.ts';
import type { ProjectRow } from '../store/schema.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';
import { actorOf, type OperationContext } from './context.ts';

/** The projects that the caller can see. */
export async function list(
  context: OperationContext,
  principal: Principal,
  base: string,
): Promise<Project[]> {
  const { db } = context.store;
  const counts = await projects.clusterCounts(db, principal.orgId);
  const rows = await projects.listByOrganization(db, principal.orgId);
  return rows
    .filter((row) => isMemberOfProject(principal, { id: row.id, orgId: row.org_id }))
    .map((row) => toProject(row, counts.get(row.id) ?? 0, base, false));
}

/** The projects of an organization, as its members see them. */
export async function listOfOrganization(
  context: OperationContext,
  orgId: string,
  name: string | null,
  base: string,
): Promise<Project[]> {
  const { db } = context.store;
  const counts = await projects.clusterCounts(db, orgId);
  const rows = await projects.listByOrganization(db, orgId);
  return rows
    .filter((row) => name === null || row.name.toLowerCase().startsWith(name.toLowerCase()))
    .map((row) => toProject(row, counts.get(row.id) ?? 0, base, false));
}

export async function get(
  context: OperationContext,
  groupId: string,
  base: string,
): Promise<Project> {
  const row = await projects.find(context.store.db, groupId);
  if (row === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
  return whole(context, row, base);
}

/** By its name, among the projects that the caller can see. */
export async function getByName(
  context: OperationContext,
  principal: Principal,
  name: string,
  base: string,
): Promise<Project> {
  const row = await projects.findByName(context.store.db, principal.orgId, name);
  if (row === undefined || !isMemberOfProject(principal, { id: row.id, orgId: row.org_id })) {
    throw apiError('GROUP_NAME_NOT_FOUND', name);
  }
  return whole(context, row, base);
}

/** Makes a project. A caller who does not own the organization owns the project. */
export async function create(
  context: OperationContext,
  principal: Principal,
  body: CreateProject,
  base: string,
): Promise<Project> {
  checkName(body.name);
  const { orgId } = body;
  const row: ProjectRow = {
    id: newId(),
    org_id: orgId,
    name: body.name,
    created_at: timestamp(),
    tags: JSON.stringify(body.tags ?? []),
    kept: keptOf(body),
  };
  await context.store.transaction(async (tx) => {
    if ((await organizations.find(tx, orgId)) === undefined) throw apiError('ORG_NOT_FOUND', orgId);
    if (principal.orgId !== orgId) throw apiError('USER_CANNOT_ACCESS_ORG');
    if (!isAllowed(principal, 'ORG_GROUP_CREATOR', null)) {
      throw apiError('NOT_ORG_GROUP_CREATOR', orgId);
    }
    if ((await projects.findByName(tx, orgId, row.name)) !== undefined) {
      throw apiError('GROUP_ALREADY_EXISTS', row.name);
    }
    await projects.insert(tx, row);
    if (!isAllowed(principal, 'ORG_OWNER', null)) {
      await giveProjectRoles(tx, principal.credential, row.id, ['GROUP_OWNER']);
    }
    await events.record(tx, {
      type: 'GROUP_CREATED',
      orgId,
      projectId: row.id,
      actor: actorOf(principal),
      targetId: row.id,
      detail: { name: row.name },
    });
  });
  const { tags, ...created } = toProject(row, 0, base, true);
  // This answer alone leaves out an empty list (recorded).
  return row.tags === '[]' ? created : { ...created, tags };
}

/** Changes a project's name, its tags and what is only kept. */
export async function update(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: UpdateProject,
  base: string,
): Promise<Project> {
  const { name, tags, withDefaultAlertsSettings } = body;
  if (name !== undefined) checkName(name);
  await context.store.transaction(async (tx) => {
    const row = await projects.find(tx, groupId);
    if (row === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
    if (name !== undefined && name !== row.name) {
      if ((await projects.findByName(tx, row.org_id, name)) !== undefined) {
        throw apiError('GROUP_ALREADY_EXISTS', name);
      }
    }
    const before = readKept(row);
    const isKept =
      withDefaultAlertsSettings === undefined ||
      withDefaultAlertsSettings === before.withDefaultAlertsSettings;
    const changed = {
      name: name ?? row.name,
      tags: tags ? JSON.stringify(tags) : row.tags,
      kept: isKept ? row.kept : JSON.stringify({ ...before, withDefaultAlertsSettings }),
    };
    if (changed.name === row.name && changed.tags === row.tags && isKept) return;
    await projects.update(tx, groupId, changed);
    const about = { orgId: row.org_id, projectId: groupId, targetId: groupId };
    const actor = actorOf(principal);
    if (changed.name !== row.name) {
      const detail = { name: changed.name, was: row.name };
      await events.record(tx, { type: 'GROUP_NAME_CHANGED', ...about, actor, detail });
    }
    if (!isKept) {
      const detail = { changes: { withDefaultAlertsSettings } };
      await events.record(tx, { type: 'GROUP_SETTINGS_UPDATED', ...about, actor, detail });
    }
    if (changed.tags !== row.tags) {
      const detail = { tags: JSON.parse(changed.tags) as Tag[] };
      await events.record(tx, { type: 'GROUP_TAGS_CHANGED', ...about, actor, detail });
    }
  });
  return get(context, groupId, base);
}

/**
 * Removes a project and the record of its ended migrations.
 * @throws {ApiError} 409 while it has clusters; one with an active migration cannot be removed
 */
export async function remove(
  context: OperationContext,
  principal: Principal,
  groupId: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    const row = await projects.find(tx, groupId);
    if (row === undefined) throw apiError('GROUP_NOT_FOUND', groupId);
    if ((await clusters.listByProject(tx, groupId)).length > 0) {
      throw apiError('CANNOT_CLOSE_GROUP_ACTIVE_ATLAS_CLUSTERS');
    }
    await projects.remove(tx, groupId);
    await events.record(tx, {
      type: 'GROUP_DELETED',
      orgId: row.org_id,
      projectId: groupId,
      actor: actorOf(principal),
      targetId: groupId,
      detail: { name: row.name },
    });
  });
}

function checkName(name: string): void {
  if (!isName(name)) {
    throw attributeError(
      'INVALID_GROUP_NAME',
      'name',
      "must be 1 to 64 letters, digits, spaces or -_.(),:&@+'",
      [name],
    );
  }
}

async function giveProjectRoles(
  tx: Executor,
  credential: Credential,
  projectId: string,
  roles: readonly string[],
): Promise<void> {
  if (credential.kind === 'apiKey') {
    await apiKeys.setProjectRoles(tx, credential.apiKeyId, projectId, roles);
  } else {
    await serviceAccounts.setProjectRoles(tx, credential.clientId, projectId, roles);
  }
}

async function whole(context: OperationContext, row: ProjectRow, base: string): Promise<Project> {
  const count = (await clusters.listByProject(context.store.db, row.id)).length;
  return toProject(row, count, base, true);
}

/** Read back by clients, which take another value for a change that was not made. */
type Kept = Pick<Project, 'regionUsageRestrictions' | 'withDefaultAlertsSettings'>;

function keptOf({
  regionUsageRestrictions: uses,
  withDefaultAlertsSettings = true,
}: CreateProject): string {
  const kept: Kept = {
    ...(uses === undefined || uses === 'NONE' ? {} : { regionUsageRestrictions: uses }),
    withDefaultAlertsSettings,
  };
  return JSON.stringify(kept);
}

function readKept({ kept }: ProjectRow): Kept {
  return { withDefaultAlertsSettings: true, ...(JSON.parse(kept) as Partial<Kept>) };
}

function toProject(
  row: ProjectRow,
  clusterCount: number,
  base: string,
  isWhole: boolean,
): Project & { tags: Tag[] } {
  const self = `${base}/groups/${row.id}`;
  return {
    clusterCount,
    created: apiTime(row.created_at),
    id: row.id,
    links: [
      { href: self, rel: 'self' },
      ...(isWhole ? [{ href: `${self}/clusters`, rel: 'https://cloud.mongodb.com/clusters' }] : []),
    ],
    name: row.name,
    orgId: row.org_id,
    tags: JSON.parse(row.tags) as Tag[],
    ...readKept(row),
  };
}
