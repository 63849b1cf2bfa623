import { CreateLinkToken } from '@linkspan/contract/api/linkTokens.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint, endpointWithBody } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import { actorOf, type OperationContext } from '../operations/context.ts';
import { availableProjects } from '../operations/inventory.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';
import * as linkTokens from '../operations/linkTokens.ts';

export function linkTokenEndpoints(context: OperationContext, removal: LinkRemoval): Endpoint[] {
  const org = { scope: 'org', role: 'ORG_OWNER' } as const;
  const limits = RATE_LIMITS.liveMigrationOrganization;
  const path = '/orgs/:orgId/liveMigrations/linkTokens';
  return [
    endpointWithBody(
      {
        ...org,
        api: 'atlas',
        limits,
        operationId: 'createOrgLiveMigrationLinkToken',
        method: 'POST',
        path,
        handle: async ({ principal, params, body }) => ({
          status: 201,
          body: await linkTokens.create(context, principal, params.orgId, body),
        }),
      },
      FIRST_VERSION,
      CreateLinkToken,
    ),
    endpoint(
      {
        ...org,
        api: 'atlas',
        limits: RATE_LIMITS.linkTokenRemoval,
        operationId: 'deleteOrgLiveMigrationLinkTokens',
        method: 'DELETE',
        path,
        handle: async ({ principal, params }) => {
          await removal.remove(params.orgId, actorOf(principal));
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...org,
        api: 'atlas',
        limits,
        operationId: 'listOrgLiveMigrationAvailableProjects',
        method: 'GET',
        path: '/orgs/:orgId/liveMigrations/availableProjects',
        handle: async ({ params }) => ({
          status: 200,
          body: await availableProjects(context, params.orgId),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        scope: 'org',
        role: 'ORG_MEMBER',
        api: 'linkspan',
        limits,
        operationId: 'getOrganizationLink',
        method: 'GET',
        path: '/orgs/:orgId/liveMigrations/link',
        handle: async ({ params }) => ({
          status: 200,
          body: await linkTokens.describe(context, params.orgId),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}
