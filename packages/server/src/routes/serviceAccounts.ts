import {
  CreateServiceAccount,
  CreateServiceAccountSecret,
  ServiceAccount,
  ServiceAccountGroup,
  ServiceAccountSecret,
  UpdateServiceAccount,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as secrets from '../operations/serviceAccountSecrets.ts';
import * as serviceAccounts from '../operations/serviceAccounts.ts';

const SHARED = {
  tag: 'Service accounts',
  api: 'atlas',
  inV1: false,
  scope: 'org',
  limits: RATE_LIMITS.serviceAccounts,
} as const;

const LIST = '/orgs/{orgId}/serviceAccounts';
const ONE = `${LIST}/{clientId}` as const;

export function serviceAccountEndpoints(context: OperationContext): Endpoint[] {
  return [
    listOperation({
      ...SHARED,
      operationId: 'listOrgServiceAccounts',
      summary: 'Service accounts of an organization',
      method: 'GET',
      path: LIST,
      role: 'ORG_READ_ONLY',
      query: {
        includeSystemManaged: {
          type: 'boolean',
          description: 'Whether accounts that the system manages are listed too: there are none',
        },
      },
      status: 200,
      versions: [{ date: SERVICE_ACCOUNT_VERSION, response: ServiceAccount }],
      handle: async ({ params }) => ({ items: await serviceAccounts.list(context, params.orgId) }),
    }),
    operation({
      ...SHARED,
      operationId: 'createOrgServiceAccount',
      summary: 'Make a service account; the answer alone has its first secret',
      method: 'POST',
      path: LIST,
      role: 'ORG_OWNER',
      status: 201,
      versions: [
        { date: SERVICE_ACCOUNT_VERSION, body: CreateServiceAccount, response: ServiceAccount },
      ],
      handle: async ({ principal, params, body }) => ({
        body: await serviceAccounts.create(context, principal, params.orgId, body),
      }),
    }),
    operation({
      ...SHARED,
      operationId: 'getOrgServiceAccount',
      summary: 'One service account',
      method: 'GET',
      path: ONE,
      role: 'ORG_READ_ONLY',
      status: 200,
      versions: [{ date: SERVICE_ACCOUNT_VERSION, response: ServiceAccount }],
      handle: async ({ params: { orgId, clientId } }) => ({
        body: await serviceAccounts.get(context, orgId, clientId),
      }),
    }),
    operation({
      ...SHARED,
      operationId: 'updateOrgServiceAccount',
      summary: "Change a service account's name, description or roles in the organization",
      method: 'PATCH',
      path: ONE,
      role: 'ORG_OWNER',
      status: 200,
      versions: [
        { date: SERVICE_ACCOUNT_VERSION, body: UpdateServiceAccount, response: ServiceAccount },
      ],
      handle: async ({ principal, params: { orgId, clientId }, body }) => ({
        body: await serviceAccounts.update(context, principal, orgId, clientId, body),
      }),
    }),
    operation({
      ...SHARED,
      operationId: 'deleteOrgServiceAccount',
      summary: 'Remove a service account; its secrets and access tokens end at once',
      method: 'DELETE',
      path: ONE,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: SERVICE_ACCOUNT_VERSION }],
      handle: async ({ principal, params: { orgId, clientId } }) => {
        await serviceAccounts.remove(context, principal, orgId, clientId);
      },
    }),
    listOperation({
      ...SHARED,
      operationId: 'getOrgServiceAccountGroups',
      summary: 'Projects that a service account has roles in',
      method: 'GET',
      path: `${ONE}/groups`,
      role: 'ORG_READ_ONLY',
      status: 200,
      versions: [{ date: SERVICE_ACCOUNT_VERSION, response: ServiceAccountGroup }],
      handle: async ({ params: { orgId, clientId } }) => ({
        items: await serviceAccounts.groups(context, orgId, clientId),
      }),
    }),
    operation({
      ...SHARED,
      operationId: 'createOrgServiceAccountSecret',
      summary: 'Make another secret of a service account; the answer alone has it',
      method: 'POST',
      path: `${ONE}/secrets`,
      role: 'ORG_OWNER',
      status: 201,
      versions: [
        {
          date: SERVICE_ACCOUNT_VERSION,
          body: CreateServiceAccountSecret,
          response: ServiceAccountSecret,
        },
      ],
      handle: async ({ principal, params: { orgId, clientId }, body }) => ({
        body: await secrets.create(context, principal, orgId, clientId, body),
      }),
    }),
    operation({
      ...SHARED,
      operationId: 'deleteOrgServiceAccountSecret',
      summary: 'Remove a secret of a service account; its access tokens end at once',
      method: 'DELETE',
      path: `${ONE}/secrets/{secretId}`,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: SERVICE_ACCOUNT_VERSION }],
      handle: async ({ principal, params: { orgId, clientId, secretId } }) => {
        await secrets.remove(context, principal, orgId, clientId, secretId);
      },
    }),
  ];
}
