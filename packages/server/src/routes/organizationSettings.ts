import {
  OrganizationSettings,
  UpdateOrganizationSettings,
} from '@linkspan/contract/api/organizationSettings.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as organizationSettings from '../operations/organizationSettings.ts';

export function organizationSettingsEndpoints(context: OperationContext): Endpoint[] {
  const org = {
    tag: 'Organizations',
    api: 'atlas',
    scope: 'org',
    limits: RATE_LIMITS.organizationSettings,
    path: '/orgs/{orgId}/settings',
    status: 200,
  } as const;
  return [
    operation({
      ...org,
      operationId: 'getOrgSettings',
      summary: 'Settings of an organization',
      method: 'GET',
      role: 'ORG_MEMBER',
      versions: [{ date: FIRST_VERSION, response: OrganizationSettings }],
      handle: async ({ params }) => ({
        body: await organizationSettings.get(context, params.orgId),
      }),
    }),
    operation({
      ...org,
      operationId: 'updateOrgSettings',
      summary: 'Change settings of an organization',
      method: 'PATCH',
      role: 'ORG_OWNER',
      versions: [
        {
          date: FIRST_VERSION,
          body: UpdateOrganizationSettings,
          response: OrganizationSettings,
        },
      ],
      handle: async ({ principal, params, body }) => ({
        body: await organizationSettings.update(context, principal, params.orgId, body),
      }),
    }),
  ];
}
