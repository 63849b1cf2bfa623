import {
  CreatedOrganization,
  CreateOrganization,
  Organization,
  UpdateOrganization,
} from '@linkspan/contract/api/organizations.ts';
import { Project } from '@linkspan/contract/api/projects.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as organizations from '../operations/organizations.ts';
import * as projects from '../operations/projects.ts';

const NAME_FILTER = {
  type: 'string',
  description: 'Only those whose name begins with this, in any case of letters',
} as const;

export function organizationEndpoints(context: OperationContext): Endpoint[] {
  const shared = { tag: 'Organizations', api: 'atlas' } as const;
  const user = { ...shared, scope: 'user', limits: RATE_LIMITS.organizations } as const;
  const org = { ...shared, scope: 'org', limits: RATE_LIMITS.organization } as const;
  return [
    listOperation({
      ...user,
      operationId: 'listOrgs',
      summary: 'Organizations that the caller belongs to',
      method: 'GET',
      path: '/orgs',
      role: null,
      query: { name: NAME_FILTER },
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Organization }],
      handle: async ({ principal, query, base }) => ({
        items: await organizations.list(context, principal, query.name ?? null, base),
      }),
    }),
    operation({
      ...user,
      operationId: 'createOrg',
      summary: 'Make an organization with its first API key or service account',
      method: 'POST',
      path: '/orgs',
      role: 'ORG_OWNER',
      status: 201,
      versions: [{ date: FIRST_VERSION, body: CreateOrganization, response: CreatedOrganization }],
      handle: async ({ principal, body, base }) => ({
        body: await organizations.create(context, principal, body, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'getOrg',
      summary: 'One organization',
      method: 'GET',
      path: '/orgs/{orgId}',
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Organization }],
      handle: async ({ params, base }) => ({
        body: await organizations.get(context, params.orgId, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'updateOrg',
      summary: 'Rename an organization',
      method: 'PATCH',
      path: '/orgs/{orgId}',
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateOrganization, response: Organization }],
      handle: async ({ principal, params, body, base }) => ({
        body: await organizations.update(context, principal, params.orgId, body, base),
      }),
    }),
    operation({
      ...org,
      operationId: 'deleteOrg',
      summary: 'Remove an organization that has no project and no link',
      method: 'DELETE',
      path: '/orgs/{orgId}',
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params }) => {
        await organizations.remove(context, principal, params.orgId);
      },
    }),
    listOperation({
      ...org,
      operationId: 'getOrgGroups',
      summary: 'Projects of an organization',
      method: 'GET',
      path: '/orgs/{orgId}/groups',
      role: 'ORG_MEMBER',
      query: { name: NAME_FILTER },
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Project }],
      handle: async ({ params, query, base }) => ({
        items: await projects.listOfOrganization(context, params.orgId, query.name ?? null, base),
      }),
    }),
  ];
}
