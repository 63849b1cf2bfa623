import { isName } from '@linkspan/contract/api/common.ts';
import type { ApiKey, CreateOrgApiKey } from '@linkspan/contract/api/apiKeys.ts';
import type {
  CreatedOrganization,
  CreateOrganization,
  Organization,
  UpdateOrganization,
} from '@linkspan/contract/api/organizations.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as organizations from '../store/organizations.ts';
import * as projects from '../store/projects.ts';
import type { OrganizationRow } from '../store/schema.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';
import { checkOrgRoles } from './givenRoles.ts';
import { actorOf, type OperationContext } from './context.ts';
import { insertKey, toApiKey } from './keys.ts';
import { insertAccount } from './serviceAccounts.ts';

/** The organizations that the caller belongs to: a key belongs to one. */
export async function list(
  context: OperationContext,
  principal: Principal,
  name: string | null,
  base: string,
): Promise<Organization[]> {
  const own = await organizations.find(context.store.db, principal.orgId);
  if (own === undefined) return [];
  const matches = name === null || own.name.toLowerCase().startsWith(name.toLowerCase());
  return matches ? [toOrganization(own, base, false)] : [];
}

export async function get(
  context: OperationContext,
  orgId: string,
  base: string,
): Promise<Organization> {
  return toOrganization(await load(context, orgId), base, true);
}

/** Makes an organization with its first API key, service account or both. */
export async function create(
  context: OperationContext,
  principal: Principal,
  body: CreateOrganization,
  base: string,
): Promise<CreatedOrganization> {
  checkName(body.name);
  const row: OrganizationRow = {
    id: newId(),
    name: body.name,
    created_at: timestamp(),
    settings: '{}',
    kept: keptOf(body),
  };
  const { apiKey, serviceAccount } = body;
  if (apiKey === undefined && (serviceAccount === undefined || serviceAccount === null)) {
    throw attributeError(
      'MISSING_ONE_OF_ATTRIBUTES',
      'apiKey',
      'is required unless serviceAccount is given: nobody could manage the organization',
      ['apiKey', 'serviceAccount'],
    );
  }
  if (apiKey !== undefined) checkOrgRoles(apiKey.roles, row.id);
  return context.store.transaction(async (tx) => {
    await organizations.insert(tx, row);
    await events.record(tx, {
      type: 'ORG_CREATED',
      orgId: row.id,
      actor: actorOf(principal),
      targetId: row.id,
    });
    return {
      ...(apiKey === undefined
        ? {}
        : { apiKey: await firstKey(context, tx, principal, row.id, apiKey, base) }),
      organization: toOrganization(row, base, true),
      ...(serviceAccount === undefined || serviceAccount === null
        ? {}
        : { serviceAccount: await insertAccount(tx, principal, row.id, serviceAccount) }),
      skipDefaultAlertsSettings: body.skipDefaultAlertsSettings ?? false,
    };
  });
}

async function firstKey(
  { store }: OperationContext,
  tx: Executor,
  principal: Principal,
  orgId: string,
  body: CreateOrgApiKey,
  base: string,
): Promise<ApiKey> {
  const key = await insertKey(tx, store.sealer, { orgId, description: body.desc, linkId: null });
  await apiKeys.setOrganizationRoles(tx, key.row.id, orgId, body.roles);
  await events.record(tx, {
    type: 'API_KEY_CREATED',
    orgId,
    actor: actorOf(principal),
    targetId: key.row.id,
  });
  return toApiKey(key.row, await apiKeys.roles(tx, key.row.id), base, key.privateKey);
}

/** Changes an organization's name and what is only kept. */
export async function update(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  { name, skipDefaultAlertsSettings }: UpdateOrganization,
  base: string,
): Promise<Organization> {
  checkName(name);
  await context.store.transaction(async (tx) => {
    const row = await organizations.find(tx, orgId);
    if (row === undefined) throw apiError('ORG_NOT_FOUND', orgId);
    const changes = skipDefaultAlertsSettings === undefined ? {} : { skipDefaultAlertsSettings };
    const kept = JSON.stringify({ ...readKept(row), ...changes });
    await organizations.update(tx, orgId, { name, kept });
    const about = { orgId, actor: actorOf(principal), targetId: orgId };
    if (name !== row.name) {
      await events.record(tx, { type: 'ORG_RENAMED', ...about, detail: { name } });
    }
    if (kept !== JSON.stringify(readKept(row))) {
      await events.record(tx, { type: 'ORG_SETTINGS_UPDATED', ...about, detail: { changes } });
    }
  });
  return get(context, orgId, base);
}

/**
 * Removes an organization with its keys and service accounts, the caller's included.
 * @throws {ApiError} 409 while it has active migrations, projects or a link
 */
export async function remove(
  context: OperationContext,
  principal: Principal,
  orgId: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    const active = await liveMigrations.listActiveOfOrganization(tx, orgId);
    if (active.length > 0) {
      const ids = [...new Set(active.map((migration) => migration.project_id))].join(', ');
      throw apiError('CANNOT_DELETE_ORG_ACTIVE_LIVE_MIGRATION_ATLAS_ORG_LINK', ids);
    }
    if ((await links.findByOrganization(tx, orgId)) !== undefined) {
      throw apiError('ORG_HAS_LINK', orgId);
    }
    if ((await projects.listByOrganization(tx, orgId)).length > 0) throw apiError('ORG_NOT_EMPTY');
    const actor = actorOf(principal);
    for (const { id: targetId } of await apiKeys.listByOrganization(tx, orgId)) {
      await events.record(tx, { type: 'API_KEY_DELETED', orgId, actor, targetId });
      await apiKeys.remove(tx, targetId);
    }
    for (const { client_id: targetId } of await serviceAccounts.listByOrganization(tx, orgId)) {
      await events.record(tx, { type: 'SERVICE_ACCOUNT_DELETED', orgId, actor, targetId });
      await serviceAccounts.remove(tx, targetId);
    }
    await organizations.remove(tx, orgId);
    await events.record(tx, { type: 'ORG_DELETED', orgId, actor, targetId: orgId });
  });
}

async function load(context: OperationContext, orgId: string): Promise<OrganizationRow> {
  const row = await organizations.find(context.store.db, orgId);
  if (row === undefined) throw apiError('ORG_NOT_FOUND', orgId);
  return row;
}

function checkName(name: string): void {
  if (!isName(name)) {
    throw attributeError(
      'INVALID_ORG_NAME',
      'name',
      "must be 1 to 64 letters, digits, spaces or -_.(),:&@+'",
      [name],
    );
  }
}

/** Read back by clients, which take another value for a change that was not made. */
interface Kept {
  readonly skipDefaultAlertsSettings: boolean;
}

function keptOf({ skipDefaultAlertsSettings = false }: Partial<Kept>): string {
  return JSON.stringify({ skipDefaultAlertsSettings } satisfies Kept);
}

function readKept({ kept }: OrganizationRow): Kept {
  return { skipDefaultAlertsSettings: false, ...(JSON.parse(kept) as Partial<Kept>) };
}

function toOrganization(row: OrganizationRow, base: string, whole: boolean): Organization {
  const self = `${base}/orgs/${row.id}`;
  return {
    id: row.id,
    isDeleted: false,
    links: [
      { href: self, rel: 'self' },
      ...(whole ? [{ href: `${self}/groups`, rel: 'https://cloud.mongodb.com/groups' }] : []),
    ],
    name: row.name,
    ...readKept(row),
  };
}
