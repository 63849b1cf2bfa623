import { isOrgRole } from '@linkspan/contract/api/roles.ts';
import type {
  CreateServiceAccount,
  ServiceAccount,
  ServiceAccountGroup,
  UpdateServiceAccount,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { newClientId } from '../domain/serviceAccount.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import type { ServiceAccountRow } from '../store/schema.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';
import * as secrets from '../store/serviceAccountSecrets.ts';
import { insertSecret, toSecret } from './clientSecrets.ts';
import { actorOf, type OperationContext } from './context.ts';
import { keepAnOwner } from './owners.ts';

export async function list(context: OperationContext, orgId: string): Promise<ServiceAccount[]> {
  const { db } = context.store;
  const shown: ServiceAccount[] = [];
  for (const row of await serviceAccounts.listByOrganization(db, orgId)) {
    shown.push(await show(db, row));
  }
  return shown;
}

export async function get(
  context: OperationContext,
  orgId: string,
  clientId: string,
): Promise<ServiceAccount> {
  const { db } = context.store;
  return show(db, await load(db, orgId, clientId));
}

/** Makes an account with its first secret, which the answer alone has. */
export async function create(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  body: CreateServiceAccount,
): Promise<ServiceAccount> {
  return context.store.transaction((tx) => insertAccount(tx, principal, orgId, body));
}

/** The same within the transaction that makes the organization. */
export async function insertAccount(
  tx: Executor,
  principal: Principal,
  orgId: string,
  body: CreateServiceAccount,
): Promise<ServiceAccount> {
  const row: ServiceAccountRow = {
    client_id: newClientId(),
    org_id: orgId,
    name: body.name,
    description: body.description,
    created_at: timestamp(),
  };
  await serviceAccounts.insert(tx, row);
  await serviceAccounts.setOrganizationRoles(tx, row.client_id, orgId, body.roles);
  const made = await insertSecret(tx, orgId, row.client_id, body.secretExpiresAfterHours);
  await events.record(tx, {
    type: 'SERVICE_ACCOUNT_CREATED',
    orgId,
    actor: actorOf(principal),
    targetId: row.client_id,
    detail: { name: row.name, roles: body.roles, secretId: made.row.id },
  });
  return { ...(await show(tx, row)), secrets: [toSecret(made.row, made.secret)] };
}

/** Changes an account's name, description or roles in the organization. */
export async function update(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
  body: UpdateServiceAccount,
): Promise<ServiceAccount> {
  const { roles } = body;
  return context.store.transaction(async (tx) => {
    const row = await load(tx, orgId, clientId);
    const name = body.name ?? row.name;
    const description = body.description ?? row.description;
    await serviceAccounts.update(tx, clientId, { name, description });
    if (roles !== undefined) {
      if (!roles.includes('ORG_OWNER')) await keepAnOwner(tx, orgId, clientId);
      await serviceAccounts.setOrganizationRoles(tx, clientId, orgId, roles);
    }
    await events.record(tx, {
      type: 'SERVICE_ACCOUNT_UPDATED',
      orgId,
      actor: actorOf(principal),
      targetId: clientId,
      detail: { name, ...(roles === undefined ? {} : { roles }) },
    });
    return show(tx, { ...row, name, description });
  });
}

/** Removes an account; its secrets and access tokens end with it. */
export async function remove(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  clientId: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    const row = await load(tx, orgId, clientId);
    await keepAnOwner(tx, orgId, clientId);
    await serviceAccounts.remove(tx, clientId);
    await events.record(tx, {
      type: 'SERVICE_ACCOUNT_DELETED',
      orgId,
      actor: actorOf(principal),
      targetId: clientId,
      detail: { name: row.name },
    });
  });
}

/** The projects that an account has roles in, by role of its own; owning the organization is none. */
export async function groups(
  context: OperationContext,
  orgId: string,
  clientId: string,
): Promise<ServiceAccountGroup[]> {
  const { db } = context.store;
  await load(db, orgId, clientId);
  const inProjects = Map.groupBy(
    (await serviceAccounts.roles(db, clientId)).filter((role) => role.project_id !== null),
    (role) => role.project_id ?? '',
  );
  return [...inProjects].map(([groupId, roles]) => ({
    groupId,
    roles: roles.map(({ role }) => role),
  }));
}

/** @throws {ApiError} SERVICE_ACCOUNT_NOT_FOUND unless the organization has the account (rule C9) */
export async function load(
  ex: Executor,
  orgId: string,
  clientId: string,
): Promise<ServiceAccountRow> {
  const row = await serviceAccounts.findInOrganization(ex, orgId, clientId);
  if (row === undefined) throw apiError('SERVICE_ACCOUNT_NOT_FOUND', clientId);
  return row;
}

/** An account as the API shows it, its secrets masked. */
async function show(ex: Executor, row: ServiceAccountRow): Promise<ServiceAccount> {
  const roles = await serviceAccounts.roles(ex, row.client_id);
  const own = await secrets.list(ex, row.client_id);
  return {
    clientId: row.client_id,
    createdAt: apiTime(row.created_at),
    description: row.description,
    name: row.name,
    roles: roles
      .filter(({ org_id }) => org_id !== null)
      .map(({ role }) => role)
      .filter(isOrgRole),
    secrets: own.map((secret) => toSecret(secret)),
  };
}
