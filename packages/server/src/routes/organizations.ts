import { CreateOrganization, UpdateOrganization } from '@linkspan/contract/api/organizations.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint, endpointWithBody } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as organizations from '../operations/organizations.ts';
import * as projects from '../operations/projects.ts';

export function organizationEndpoints(context: OperationContext): Endpoint[] {
  const user = { api: 'atlas', scope: 'user', limits: RATE_LIMITS.organizations } as const;
  const org = { api: 'atlas', scope: 'org', limits: RATE_LIMITS.organization } as const;
  return [
    endpoint(
      {
        ...user,
        operationId: 'listOrgs',
        method: 'GET',
        path: '/orgs',
        role: null,
        handle: async ({ principal, query, base }) => ({
          status: 200,
          items: await organizations.list(context, principal, query('name'), base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...user,
        operationId: 'createOrg',
        method: 'POST',
        path: '/orgs',
        role: 'ORG_OWNER',
        handle: async ({ principal, body, base }) => ({
          status: 201,
          body: await organizations.create(context, principal, body, base),
        }),
      },
      FIRST_VERSION,
      CreateOrganization,
    ),
    endpoint(
      {
        ...org,
        operationId: 'getOrg',
        method: 'GET',
        path: '/orgs/:orgId',
        role: 'ORG_MEMBER',
        handle: async ({ params, base }) => ({
          status: 200,
          body: await organizations.get(context, params.orgId, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...org,
        operationId: 'updateOrg',
        method: 'PATCH',
        path: '/orgs/:orgId',
        role: 'ORG_OWNER',
        handle: async ({ principal, params, body, base }) => ({
          status: 200,
          body: await organizations.rename(context, principal, params.orgId, body.name, base),
        }),
      },
      FIRST_VERSION,
      UpdateOrganization,
    ),
    endpoint(
      {
        ...org,
        operationId: 'deleteOrg',
        method: 'DELETE',
        path: '/orgs/:orgId',
        role: 'ORG_OWNER',
        handle: async ({ principal, params }) => {
          await organizations.remove(context, principal, params.orgId);
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...org,
        operationId: 'getOrgGroups',
        method: 'GET',
        path: '/orgs/:orgId/groups',
        role: 'ORG_MEMBER',
        handle: async ({ params, query, base }) => ({
          status: 200,
          items: await projects.listOfOrganization(context, params.orgId, query('name'), base),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}
