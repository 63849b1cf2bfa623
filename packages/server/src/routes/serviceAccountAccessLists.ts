import {
  AddServiceAccountAccessListEntries,
  ServiceAccountAccessListEntry,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as accessList from '../operations/serviceAccountAccessList.ts';

export function serviceAccountAccessListEndpoints(context: OperationContext): Endpoint[] {
  const shared = {
    tag: 'Service accounts',
    api: 'atlas',
    inV1: false,
    scope: 'org',
    limits: RATE_LIMITS.serviceAccounts,
  } as const;
  const path = '/orgs/{orgId}/serviceAccounts/{clientId}/accessList';
  return [
    listOperation({
      ...shared,
      operationId: 'listOrgServiceAccountAccessList',
      summary: "Addresses that a service account's access tokens may be used from; none: any",
      method: 'GET',
      path,
      role: 'ORG_READ_ONLY',
      status: 200,
      versions: [{ date: SERVICE_ACCOUNT_VERSION, response: ServiceAccountAccessListEntry }],
      handle: async ({ params: { orgId, clientId } }) => ({
        items: await accessList.list(context, orgId, clientId),
      }),
    }),
    listOperation({
      ...shared,
      operationId: 'createOrgServiceAccountAccessList',
      summary: "Add addresses to a service account's access list",
      method: 'POST',
      path,
      role: 'ORG_OWNER',
      status: 200,
      versions: [
        {
          date: SERVICE_ACCOUNT_VERSION,
          body: AddServiceAccountAccessListEntries,
          response: ServiceAccountAccessListEntry,
        },
      ],
      handle: async ({ principal, params: { orgId, clientId }, body }) => ({
        items: await accessList.add(context, principal, orgId, clientId, body),
      }),
    }),
    operation({
      ...shared,
      operationId: 'deleteOrgServiceAccountAccessListEntry',
      summary: "Take an entry off a service account's access list",
      method: 'DELETE',
      path: `${path}/{ipAddress}`,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: SERVICE_ACCOUNT_VERSION }],
      handle: async ({ principal, params: { orgId, clientId, ipAddress } }) => {
        await accessList.remove(context, principal, orgId, clientId, ipAddress);
      },
    }),
  ];
}
