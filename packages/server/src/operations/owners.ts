import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import type { Executor } from '../store/executor.ts';
import * as serviceAccounts from '../store/serviceAccounts.ts';

/**
 * An organization without an owner could not be managed by anyone any more. API keys count, and
 * service accounts that have a valid secret.
 * @param leavingId id of the API key or service account that will be no owner any more
 * @throws {ApiError} CANNOT_REMOVE_LAST_ORG_OWNER if it is the only one
 */
export async function keepAnOwner(tx: Executor, orgId: string, leavingId: string): Promise<void> {
  const roles = await apiKeys.rolesByKey(tx, orgId);
  const keys = [...roles]
    .filter(([, list]) => list.some((role) => role.role === 'ORG_OWNER'))
    .map(([id]) => id);
  const accounts = await serviceAccounts.listUsableWithRole(tx, orgId, 'ORG_OWNER', timestamp());
  const owners = [...keys, ...accounts];
  if (owners.length === 1 && owners[0] === leavingId) {
    throw apiError('CANNOT_REMOVE_LAST_ORG_OWNER', leavingId, orgId);
  }
}
