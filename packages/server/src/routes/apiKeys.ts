import {
  AddAccessListEntries,
  CreateGroupApiKey,
  CreateOrgApiKey,
  UpdateGroupApiKey,
  UpdateOrgApiKey,
} from '@linkspan/contract/api/apiKeys.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint, endpointWithBody } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import * as accessList from '../operations/apiKeyAccessList.ts';
import * as apiKeys from '../operations/apiKeys.ts';
import type { OperationContext } from '../operations/context.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';

export function apiKeyEndpoints(context: OperationContext, removal: LinkRemoval): Endpoint[] {
  return [...organizationKeys(context, removal), ...accessLists(context), ...projectKeys(context)];
}

function organizationKeys(context: OperationContext, removal: LinkRemoval): Endpoint[] {
  const org = { api: 'atlas', scope: 'org', limits: RATE_LIMITS.apiKeys } as const;
  return [
    endpoint(
      {
        ...org,
        operationId: 'listOrgApiKeys',
        method: 'GET',
        path: '/orgs/:orgId/apiKeys',
        role: 'ORG_MEMBER',
        handle: async ({ params, base }) => ({
          status: 200,
          items: await apiKeys.listOfOrganization(context, params.orgId, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...org,
        operationId: 'createOrgApiKey',
        method: 'POST',
        path: '/orgs/:orgId/apiKeys',
        role: 'ORG_OWNER',
        handle: async ({ principal, params, body, base }) => ({
          status: 200,
          body: await apiKeys.createInOrganization(context, principal, params.orgId, body, base),
        }),
      },
      FIRST_VERSION,
      CreateOrgApiKey,
    ),
    endpoint(
      {
        ...org,
        operationId: 'getOrgApiKey',
        method: 'GET',
        path: '/orgs/:orgId/apiKeys/:id',
        role: 'ORG_MEMBER',
        handle: async ({ params, base }) => ({
          status: 200,
          body: await apiKeys.get(context, params.orgId, params.id, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...org,
        operationId: 'updateOrgApiKey',
        method: 'PATCH',
        path: '/orgs/:orgId/apiKeys/:id',
        role: 'ORG_OWNER',
        handle: async ({ principal, params: { orgId, id }, body, base }) => ({
          status: 200,
          body: await apiKeys.updateInOrganization(context, principal, orgId, id, body, base),
        }),
      },
      FIRST_VERSION,
      UpdateOrgApiKey,
    ),
    endpoint(
      {
        ...org,
        operationId: 'deleteOrgApiKey',
        method: 'DELETE',
        path: '/orgs/:orgId/apiKeys/:id',
        role: 'ORG_OWNER',
        handle: async ({ principal, params }) => {
          await apiKeys.remove(context, removal, principal, params.orgId, params.id);
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
  ];
}

function accessLists(context: OperationContext): Endpoint[] {
  const org = { api: 'atlas', scope: 'org', limits: RATE_LIMITS.apiKeys } as const;
  const path = '/orgs/:orgId/apiKeys/:id/accessList';
  return [
    endpoint(
      {
        ...org,
        operationId: 'listOrgApiKeyAccessListEntries',
        method: 'GET',
        path,
        role: 'ORG_MEMBER',
        handle: async ({ params, base }) => ({
          status: 200,
          items: await accessList.list(context, params.orgId, params.id, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...org,
        operationId: 'createOrgApiKeyAccessListEntry',
        method: 'POST',
        path,
        role: 'ORG_OWNER',
        handle: async ({ principal, params: { orgId, id }, body, base }) => ({
          status: 200,
          items: await accessList.add(context, principal, orgId, id, body, base),
        }),
      },
      FIRST_VERSION,
      AddAccessListEntries,
    ),
    endpoint(
      {
        ...org,
        operationId: 'getOrgApiKeyAccessListEntry',
        method: 'GET',
        path: `${path}/:address`,
        role: 'ORG_MEMBER',
        handle: async ({ params: { orgId, id, address }, base }) => ({
          status: 200,
          body: await accessList.get(context, orgId, id, address, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...org,
        operationId: 'deleteOrgApiKeyAccessListEntry',
        method: 'DELETE',
        path: `${path}/:address`,
        role: 'ORG_OWNER',
        handle: async ({ principal, params: { orgId, id, address } }) => {
          await accessList.remove(context, principal, orgId, id, address);
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
  ];
}

function projectKeys(context: OperationContext): Endpoint[] {
  const group = { api: 'atlas', scope: 'group', limits: RATE_LIMITS.project } as const;
  return [
    endpoint(
      {
        ...group,
        operationId: 'listGroupApiKeys',
        method: 'GET',
        path: '/groups/:groupId/apiKeys',
        role: 'GROUP_READ_ONLY',
        handle: async ({ params, base }) => ({
          status: 200,
          items: await apiKeys.listOfProject(context, params.groupId, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...group,
        operationId: 'createGroupApiKey',
        method: 'POST',
        path: '/groups/:groupId/apiKeys',
        role: 'GROUP_OWNER',
        handle: async ({ principal, params, body, base }) => ({
          status: 200,
          body: await apiKeys.createInProject(context, principal, params.groupId, body, base),
        }),
      },
      FIRST_VERSION,
      CreateGroupApiKey,
    ),
    endpointWithBody(
      {
        ...group,
        operationId: 'updateGroupApiKeyRoles',
        method: 'PATCH',
        path: '/groups/:groupId/apiKeys/:id',
        role: 'GROUP_OWNER',
        handle: async ({ principal, params: { groupId, id }, body, base }) => ({
          status: 200,
          body: await apiKeys.updateInProject(context, principal, groupId, id, body, base),
        }),
      },
      FIRST_VERSION,
      UpdateGroupApiKey,
    ),
    endpoint(
      {
        ...group,
        operationId: 'removeGroupApiKey',
        method: 'DELETE',
        path: '/groups/:groupId/apiKeys/:id',
        role: 'GROUP_OWNER',
        handle: async ({ principal, params: { groupId, id } }) => {
          await apiKeys.removeFromProject(context, principal, groupId, id);
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
  ];
}
