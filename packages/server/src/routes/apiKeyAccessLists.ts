import { AccessListEntry, AddAccessListEntries } from '@linkspan/contract/api/apiKeys.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import * as accessList from '../operations/apiKeyAccessList.ts';
import type { OperationContext } from '../operations/context.ts';

export function apiKeyAccessListEndpoints(context: OperationContext): Endpoint[] {
  const org = {
    tag: 'API keys',
    api: 'atlas',
    scope: 'org',
    limits: RATE_LIMITS.apiKeys,
  } as const;
  const path = '/orgs/{orgId}/apiKeys/{apiUserId}/accessList';
  return [
    listOperation({
      ...org,
      operationId: 'listOrgApiKeyAccessListEntries',
      summary: 'Addresses that an API key may be used from; none: any',
      method: 'GET',
      path,
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: AccessListEntry }],
      handle: async ({ params: { orgId, apiUserId }, base }) => ({
        items: await accessList.list(context, orgId, apiUserId, base),
      }),
    }),
    listOperation({
      ...org,
      operationId: 'createOrgApiKeyAccessListEntry',
      summary: "Add addresses to an API key's access list",
      method: 'POST',
      path,
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: AddAccessListEntries, response: AccessListEntry }],
      handle: async ({ principal, params: { orgId, apiUserId }, body, base }) => ({
        items: await accessList.add(context, principal, orgId, apiUserId, body, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'getOrgApiKeyAccessListEntry',
      summary: "One entry of an API key's access list",
      method: 'GET',
      path: `${path}/{ipAddress}`,
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: AccessListEntry }],
      handle: async ({ params: { orgId, apiUserId, ipAddress }, base }) => ({
        body: await accessList.get(context, orgId, apiUserId, ipAddress, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'deleteOrgApiKeyAccessListEntry',
      summary: "Take an entry off an API key's access list",
      method: 'DELETE',
      path: `${path}/{ipAddress}`,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params: { orgId, apiUserId, ipAddress } }) => {
        await accessList.remove(context, principal, orgId, apiUserId, ipAddress);
      },
    }),
  ];
}
