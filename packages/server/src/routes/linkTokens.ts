import Type from 'typebox';
import {
  AvailableProject,
  CreateLinkToken,
  LinkToken,
  OrganizationLink,
} from '@linkspan/contract/api/linkTokens.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import { actorOf, type OperationContext } from '../operations/context.ts';
import type { HostRemoval } from '../operations/hostRemoval.ts';
import * as hostTokens from '../operations/hostTokens.ts';
import { availableProjects } from '../operations/inventory.ts';
import * as linkConfirmation from '../operations/linkConfirmation.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';
import * as linkTokens from '../operations/linkTokens.ts';

export function linkTokenEndpoints(
  context: OperationContext,
  removal: LinkRemoval,
  hostRemoval: HostRemoval,
): Endpoint[] {
  const org = { tag: 'Organization link', scope: 'org' } as const;
  const limits = RATE_LIMITS.liveMigrationOrganization;
  const path = '/orgs/{orgId}/liveMigrations/linkTokens';
  return [
    operation({
      ...org,
      api: 'atlas',
      limits,
      operationId: 'createOrgLiveMigrationLinkToken',
      summary: 'Make a link-token, the organization link and its API key',
      method: 'POST',
      path,
      role: 'ORG_OWNER',
      status: 201,
      versions: [{ date: FIRST_VERSION, body: CreateLinkToken, response: LinkToken }],
      handle: async ({ principal, params, body }) => ({
        body: await linkTokens.create(context, principal, params.orgId, body),
      }),
    }),
    operation({
      ...org,
      api: 'atlas',
      limits: RATE_LIMITS.linkTokenRemoval,
      operationId: 'deleteOrgLiveMigrationLinkTokens',
      summary: 'Remove the link-token: the organization link, its API key and its live migrations',
      method: 'DELETE',
      path,
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params }) => {
        await removal.remove(params.orgId, actorOf(principal));
      },
    }),
    operation({
      ...org,
      api: 'atlas',
      limits,
      operationId: 'listOrgLiveMigrationAvailableProjects',
      summary: 'Projects of the source side, as its migration hosts report them',
      method: 'GET',
      path: '/orgs/{orgId}/liveMigrations/availableProjects',
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Type.Array(AvailableProject) }],
      handle: async ({ params }) => ({ body: await availableProjects(context, params.orgId) }),
    }),
    operation({
      ...org,
      api: 'linkspan',
      limits,
      operationId: 'getOrganizationLink',
      summary: 'The organization link, and what removing it would stop',
      method: 'GET',
      path: '/orgs/{orgId}/liveMigrations/link',
      role: 'ORG_MEMBER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: OrganizationLink }],
      handle: async ({ params }) => ({ body: await linkTokens.describe(context, params.orgId) }),
    }),
    operation({
      ...org,
      api: 'linkspan',
      limits,
      operationId: 'confirmOrganizationLink',
      summary: 'Let a link go on that is suspended since a backup was restored',
      method: 'POST',
      path: '/orgs/{orgId}/liveMigrations/link/confirm',
      role: 'ORG_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: OrganizationLink }],
      handle: async ({ principal, params }) => ({
        body: await linkConfirmation.confirm(context, principal, params.orgId),
      }),
    }),
    operation({
      ...org,
      api: 'linkspan',
      limits,
      operationId: 'createOrganizationLinkHostToken',
      summary: 'Make a link-token for one more migration host of the link',
      method: 'POST',
      path: '/orgs/{orgId}/liveMigrations/link/hosts',
      role: 'ORG_OWNER',
      status: 201,
      versions: [{ date: FIRST_VERSION, response: LinkToken }],
      handle: async ({ principal, params }) => ({
        body: await hostTokens.create(context, principal, params.orgId),
      }),
    }),
    operation({
      ...org,
      api: 'linkspan',
      limits: RATE_LIMITS.linkTokenRemoval,
      operationId: 'deleteOrganizationLinkHost',
      summary: 'Remove a migration host from the link; others take over its live migrations',
      method: 'DELETE',
      path: '/orgs/{orgId}/liveMigrations/link/hosts/{hostId}',
      role: 'ORG_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params }) => {
        await hostRemoval.remove(params.orgId, params.hostId, actorOf(principal));
      },
    }),
  ];
}
