import { isGroupRole, isOrgRole } from '@linkspan/contract/api/roles.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import { isAllowed, type Principal } from '../domain/access.ts';

/** @throws {ApiError} INVALID_ROLE_FOR_ORG for a role that is not granted here */
export function checkOrgRoles(roles: readonly string[], orgId: string): void {
  const wrong = roles.find((role) => !isOrgRole(role));
  if (wrong !== undefined) {
    throw attributeError('INVALID_ROLE_FOR_ORG', 'roles', 'has a role not granted here', [
      wrong,
      orgId,
    ]);
  }
}

/** @throws {ApiError} INVALID_ROLE_FOR_GROUP for a role that is not granted here */
export function checkGroupRoles(roles: readonly string[], groupId: string): void {
  const wrong = roles.find((role) => !isGroupRole(role));
  if (wrong !== undefined) {
    throw attributeError('INVALID_ROLE_FOR_GROUP', 'roles', 'has a role not granted here', [
      wrong,
      groupId,
    ]);
  }
}

/**
 * Whoever manages access to a project must not make itself its owner, nor take a project from one.
 * @param roles that are given or taken
 * @throws {ApiError} USER_UNAUTHORIZED if ownership is among them and the caller has none
 */
export function requireOwnership(
  principal: Principal,
  groupId: string,
  roles: readonly string[],
): void {
  if (roles.includes('GROUP_OWNER') && !isAllowed(principal, 'GROUP_OWNER', groupId)) {
    throw apiError('USER_UNAUTHORIZED');
  }
}
