import {
  credentialId,
  isAllowed,
  isMemberOfOrganization,
  isMemberOfProject,
  type Principal,
} from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { isId } from '../domain/ids.ts';
import type { Directory } from '../operations/directory.ts';
import type { Endpoint } from './endpoint.ts';

/**
 * Checks that the organization or project of the path exists, that the caller belongs to it, and
 * that its role is enough, in this order.
 * @returns whose bucket the request is counted in
 * @throws {ApiError} with the code of the first check that fails
 */
export async function authorize(
  endpoint: Endpoint,
  params: { readonly orgId?: string; readonly groupId?: string },
  principal: Principal,
  directory: Directory,
): Promise<string> {
  switch (endpoint.scope) {
    case 'user':
      requireRole(endpoint, principal, null);
      return credentialId(principal.credential);
    case 'org': {
      const orgId = params.orgId ?? '';
      if (!isId(orgId)) throw apiError('INVALID_ORG_ID', orgId);
      if (!(await directory.organizationExists(orgId))) throw apiError('ORG_NOT_FOUND', orgId);
      if (!isMemberOfOrganization(principal, orgId)) throw apiError('USER_CANNOT_ACCESS_ORG');
      requireRole(endpoint, principal, null);
      return orgId;
    }
    case 'group': {
      const groupId = params.groupId ?? '';
      if (!isId(groupId)) throw apiError('INVALID_GROUP_ID', groupId);
      const orgId = await directory.organizationOf(groupId);
      if (orgId === null) throw apiError('GROUP_NOT_FOUND', groupId);
      const isMember =
        endpoint.role?.startsWith('ORG_') === true
          ? isMemberOfOrganization(principal, orgId)
          : isMemberOfProject(principal, { id: groupId, orgId });
      if (!isMember) throw apiError('USER_CANNOT_ACCESS_GROUP');
      requireRole(endpoint, principal, groupId);
      return groupId;
    }
  }
}

function requireRole(endpoint: Endpoint, principal: Principal, projectId: string | null): void {
  if (endpoint.role !== null && !isAllowed(principal, endpoint.role, projectId)) {
    throw apiError('USER_UNAUTHORIZED');
  }
}
