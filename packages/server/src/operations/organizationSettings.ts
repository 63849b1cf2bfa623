import type {
  OrganizationSettings,
  UpdateOrganizationSettings,
} from '@linkspan/contract/api/organizationSettings.ts';
import { MAX_SECRET_HOURS } from '@linkspan/contract/api/serviceAccounts.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as organizations from '../store/organizations.ts';
import type { OrganizationRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';

/**
 * Of these Linkspan obeys `apiAccessListRequired` and `maxServiceAccountSecretValidityInHours`; the
 * others are kept and shown, since they are about people who sign in and about features of Atlas.
 */
const DEFAULTS: OrganizationSettings = {
  apiAccessListRequired: false,
  genAIFeaturesEnabled: true,
  maxServiceAccountSecretValidityInHours: MAX_SECRET_HOURS,
  multiFactorAuthRequired: false,
  operationsContact: null,
  restrictEmployeeAccess: false,
  streamsCrossGroupEnabled: false,
};

/** The settings of an organization, defaults included. */
export function settingsOf(row: OrganizationRow): OrganizationSettings {
  return { ...DEFAULTS, ...(JSON.parse(row.settings) as Partial<OrganizationSettings>) };
}

/** Asked on every request, of an organization that may just have gone. */
export function isAccessListRequired(row: OrganizationRow | undefined): boolean {
  return row !== undefined && settingsOf(row).apiAccessListRequired;
}

export async function get(context: OperationContext, orgId: string): Promise<OrganizationSettings> {
  return settingsOf(await load(context.store.db, orgId));
}

/** Changes those that are given; the session timeouts one by one. */
export async function update(
  context: OperationContext,
  principal: Principal,
  orgId: string,
  changes: UpdateOrganizationSettings,
): Promise<OrganizationSettings> {
  return context.store.transaction(async (tx) => {
    const row = await load(tx, orgId);
    const changed = JSON.parse(row.settings) as Partial<OrganizationSettings>;
    const { customSessionTimeouts: timeouts } = changes;
    const settings = {
      ...changed,
      ...changes,
      ...(timeouts === undefined
        ? {}
        : { customSessionTimeouts: { ...changed.customSessionTimeouts, ...timeouts } }),
    };
    await organizations.setSettings(tx, orgId, JSON.stringify(settings));
    await events.record(tx, {
      type: 'ORG_SETTINGS_UPDATED',
      orgId,
      actor: actorOf(principal),
      targetId: orgId,
      detail: { changes },
    });
    return { ...DEFAULTS, ...settings };
  });
}

async function load(ex: Executor, orgId: string): Promise<OrganizationRow> {
  const row = await organizations.find(ex, orgId);
  if (row === undefined) throw apiError('ORG_NOT_FOUND', orgId);
  return row;
}
