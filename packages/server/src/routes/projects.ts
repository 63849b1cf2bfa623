import { Empty } from '@linkspan/contract/api/common.ts';
import { CreateProject, Project, UpdateProject } from '@linkspan/contract/api/projects.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as projects from '../operations/projects.ts';

export function projectEndpoints(context: OperationContext): Endpoint[] {
  const shared = { tag: 'Projects', api: 'atlas' } as const;
  const user = { ...shared, scope: 'user', limits: RATE_LIMITS.projects, role: null } as const;
  const group = { ...shared, scope: 'group', limits: RATE_LIMITS.project } as const;
  return [
    listOperation({
      ...user,
      operationId: 'listGroups',
      summary: 'Projects that the caller can see',
      method: 'GET',
      path: '/groups',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Project }],
      handle: async ({ principal, base }) => ({
        items: await projects.list(context, principal, base),
      }),
    }),
    operation({
      ...user,
      operationId: 'createGroup',
      summary: 'Make a project',
      method: 'POST',
      path: '/groups',
      query: {
        projectOwnerId: {
          type: 'string',
          description: 'Accepted and not used: there are no users, the caller owns the project',
        },
      },
      status: 201,
      versions: [{ date: FIRST_VERSION, body: CreateProject, response: Project }],
      handle: async ({ principal, body, base }) => {
        const project = await projects.create(context, principal, body, base);
        return { body: project, location: `${base}/groups/${project.id}` };
      },
    }),
    operation({
      ...group,
      operationId: 'getGroup',
      summary: 'One project',
      method: 'GET',
      path: '/groups/{groupId}',
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Project }],
      handle: async ({ params, base }) => ({
        body: await projects.get(context, params.groupId, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'updateGroup',
      summary: "Change a project's name or tags",
      method: 'PATCH',
      path: '/groups/{groupId}',
      role: 'GROUP_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateProject, response: Project }],
      handle: async ({ principal, params, body, base }) => ({
        body: await projects.update(context, principal, params.groupId, body, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'deleteGroup',
      summary: 'Remove a project that has no cluster',
      method: 'DELETE',
      path: '/groups/{groupId}',
      role: 'GROUP_OWNER',
      status: 202,
      versions: [{ date: FIRST_VERSION, response: Empty }],
      handle: async ({ principal, params }) => {
        await projects.remove(context, principal, params.groupId);
        return { body: {} };
      },
    }),
    operation({
      ...user,
      operationId: 'getGroupByName',
      summary: 'One project, by its name',
      method: 'GET',
      path: '/groups/byName/{groupName}',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Project }],
      handle: async ({ principal, params, base }) => ({
        body: await projects.getByName(context, principal, params.groupName, base),
      }),
    }),
  ];
}
