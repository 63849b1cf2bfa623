import { CreateProject } from '@linkspan/contract/api/projects.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint, endpointWithBody } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as projects from '../operations/projects.ts';

export function projectEndpoints(context: OperationContext): Endpoint[] {
  const user = { api: 'atlas', scope: 'user', limits: RATE_LIMITS.projects, role: null } as const;
  const group = { api: 'atlas', scope: 'group', limits: RATE_LIMITS.project } as const;
  return [
    endpoint(
      {
        ...user,
        operationId: 'listGroups',
        method: 'GET',
        path: '/groups',
        handle: async ({ principal, base }) => ({
          status: 200,
          items: await projects.list(context, principal, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...user,
        operationId: 'createGroup',
        method: 'POST',
        path: '/groups',
        handle: async ({ principal, body, base }) => {
          const project = await projects.create(context, principal, body, base);
          return { status: 201, body: project, location: `${base}/groups/${project.id}` };
        },
      },
      FIRST_VERSION,
      CreateProject,
    ),
    endpoint(
      {
        ...group,
        operationId: 'getGroup',
        method: 'GET',
        path: '/groups/:groupId',
        role: 'GROUP_READ_ONLY',
        handle: async ({ params, base }) => ({
          status: 200,
          body: await projects.get(context, params.groupId, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...group,
        operationId: 'deleteGroup',
        method: 'DELETE',
        path: '/groups/:groupId',
        role: 'GROUP_OWNER',
        handle: async ({ principal, params }) => {
          await projects.remove(context, principal, params.groupId);
          return { status: 202, body: {} };
        },
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...user,
        operationId: 'getGroupByName',
        method: 'GET',
        path: '/groups/byName/:name',
        handle: async ({ principal, params, base }) => ({
          status: 200,
          body: await projects.getByName(context, principal, params.name, base),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}
