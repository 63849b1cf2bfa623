import {
  ApiKey,
  CreateGroupApiKey,
  CreateOrgApiKey,
  AddApiKeyToGroup,
  UpdateGroupApiKey,
  UpdateOrgApiKey,
} from '@linkspan/contract/api/apiKeys.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import { checkKeyRequest } from '../operations/apiKeyRequest.ts';
import * as apiKeys from '../operations/apiKeys.ts';
import type { OperationContext } from '../operations/context.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';

const TAG = 'API keys';

export function apiKeyEndpoints(context: OperationContext, removal: LinkRemoval): Endpoint[] {
  return [...organizationKeys(context, removal), ...projectKeys(context)];
}

function organizationKeys(context: OperationContext, removal: LinkRemoval): Endpoint[] {
  const org = { tag: TAG, api: 'atlas', scope: 'org', limits: RATE_LIMITS.apiKeys } as const;
  const path = '/orgs/{orgId}/apiKeys';
  return [
    listOperation({
      ...org,
      operationId: 'listOrgApiKeys',
      summary: 'API keys of an organization',
      method: 'GET',
      path,
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: ApiKey }],
      handle: async ({ params, base }) => ({
        items: await apiKeys.listOfOrganization(context, params.orgId, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'createOrgApiKey',
      summary: 'Make an API key; the answer alone has its private key',
      method: 'POST',
      path,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: CreateOrgApiKey, response: ApiKey }],
      prepareBody: checkKeyRequest,
      handle: async ({ principal, params, body, base }) => ({
        body: await apiKeys.createInOrganization(context, principal, params.orgId, body, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'getOrgApiKey',
      summary: 'One API key',
      method: 'GET',
      path: `${path}/{apiUserId}`,
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: ApiKey }],
      handle: async ({ params, base }) => ({
        body: await apiKeys.get(context, params.orgId, params.apiUserId, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'updateOrgApiKey',
      summary: "Change an API key's description or its roles in the organization",
      method: 'PATCH',
      path: `${path}/{apiUserId}`,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateOrgApiKey, response: ApiKey }],
      prepareBody: checkKeyRequest,
      handle: async ({ principal, params: { orgId, apiUserId }, body, base }) => ({
        body: await apiKeys.updateInOrganization(context, principal, orgId, apiUserId, body, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'deleteOrgApiKey',
      summary: 'Remove an API key; the key of the organization link removes the link',
      method: 'DELETE',
      path: `${path}/{apiUserId}`,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params: { orgId, apiUserId } }) => {
        await apiKeys.remove(context, removal, principal, orgId, apiUserId);
      },
    }),
  ];
}

function projectKeys(context: OperationContext): Endpoint[] {
  const group = { tag: TAG, api: 'atlas', scope: 'group', limits: RATE_LIMITS.project } as const;
  const path = '/groups/{groupId}/apiKeys';
  return [
    listOperation({
      ...group,
      operationId: 'listGroupApiKeys',
      summary: 'API keys that have a role in a project',
      method: 'GET',
      path,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: ApiKey }],
      handle: async ({ params, base }) => ({
        items: await apiKeys.listOfProject(context, params.groupId, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'createGroupApiKey',
      summary: 'Make an API key for a project; the answer alone has its private key',
      method: 'POST',
      path,
      role: 'GROUP_ACCESS_MANAGER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: CreateGroupApiKey, response: ApiKey }],
      prepareBody: checkKeyRequest,
      handle: async ({ principal, params, body, base }) => ({
        body: await apiKeys.createInProject(context, principal, params.groupId, body, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'addGroupApiKey',
      summary: 'Give an API key of the organization roles in a project',
      method: 'POST',
      path: `${path}/{apiUserId}`,
      role: 'GROUP_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION, body: AddApiKeyToGroup }],
      handle: async ({ principal, params: { groupId, apiUserId }, body }) => {
        await apiKeys.addToProject(context, principal, groupId, apiUserId, body);
      },
    }),
    operation({
      ...group,
      operationId: 'updateGroupApiKeyRoles',
      summary: "Change an API key's roles in a project",
      method: 'PATCH',
      path: `${path}/{apiUserId}`,
      role: 'GROUP_ACCESS_MANAGER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateGroupApiKey, response: ApiKey }],
      prepareBody: checkKeyRequest,
      handle: async ({ principal, params: { groupId, apiUserId }, body, base }) => ({
        body: await apiKeys.updateInProject(context, principal, groupId, apiUserId, body, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'removeGroupApiKey',
      summary: 'Take an API key out of a project; it stays in the organization',
      method: 'DELETE',
      path: `${path}/{apiUserId}`,
      role: 'GROUP_ACCESS_MANAGER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params: { groupId, apiUserId } }) => {
        await apiKeys.removeFromProject(context, principal, groupId, apiUserId);
      },
    }),
  ];
}
