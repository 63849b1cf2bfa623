import { OrganizationEvent, ProjectEvent } from '@linkspan/contract/api/events.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as events from '../operations/events.ts';

const RAW = {
  includeRaw: {
    type: 'boolean',
    description: 'Whether each event comes with everything that is known of it, in `raw`',
  },
} as const;

const FILTERS = {
  ...RAW,
  eventType: {
    type: 'strings',
    description: 'Only events of these types; a type that does not happen here matches nothing',
  },
  minDate: { type: 'time', description: 'Only events from then on' },
  maxDate: { type: 'time', description: 'Only events until then' },
} as const;

export function eventEndpoints(context: OperationContext): Endpoint[] {
  return [...organizationEvents(context), ...projectEvents(context)];
}

function organizationEvents(context: OperationContext): Endpoint[] {
  const org = {
    tag: 'Events',
    api: 'atlas',
    scope: 'org',
    limits: RATE_LIMITS.organizationEvents,
    method: 'GET',
    role: 'ORG_MEMBER',
    status: 200,
    versions: [{ date: FIRST_VERSION, response: OrganizationEvent }],
  } as const;
  return [
    listOperation({
      ...org,
      operationId: 'listOrgEvents',
      summary: 'Events of an organization and of its projects, the newest first',
      path: '/orgs/{orgId}/events',
      query: FILTERS,
      handle: ({ principal, params, query, page, base }) =>
        events.listOfOrganization(context, principal, params.orgId, query, page, base),
    }),
    operation({
      ...org,
      operationId: 'getOrgEvent',
      summary: 'One event of an organization or of one of its projects',
      path: '/orgs/{orgId}/events/{eventId}',
      query: RAW,
      handle: async ({ principal, params: { orgId, eventId }, query, base }) => ({
        body: await events.getOfOrganization(
          context,
          principal,
          orgId,
          eventId,
          query.includeRaw === true,
          base,
        ),
      }),
    }),
  ];
}

function projectEvents(context: OperationContext): Endpoint[] {
  const group = {
    tag: 'Events',
    api: 'atlas',
    scope: 'group',
    limits: RATE_LIMITS.projectEvents,
    method: 'GET',
    role: 'GROUP_READ_ONLY',
    status: 200,
    versions: [{ date: FIRST_VERSION, response: ProjectEvent }],
  } as const;
  return [
    listOperation({
      ...group,
      operationId: 'listGroupEvents',
      summary: 'Events of a project, the newest first',
      path: '/groups/{groupId}/events',
      query: {
        ...FILTERS,
        clusterNames: {
          type: 'strings',
          description: 'Only events about these destination clusters, and migrations into them',
        },
        excludedEventType: { type: 'strings', description: 'No events of these types' },
      },
      handle: ({ params, query, page, base }) =>
        events.listOfProject(context, params.groupId, query, page, base),
    }),
    operation({
      ...group,
      operationId: 'getGroupEvent',
      summary: 'One event of a project',
      path: '/groups/{groupId}/events/{eventId}',
      query: RAW,
      handle: async ({ params: { groupId, eventId }, query, base }) => ({
        body: await events.getOfProject(context, groupId, eventId, query.includeRaw === true, base),
      }),
    }),
  ];
}
