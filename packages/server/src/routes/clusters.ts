import { CreateCluster, UpdateCluster } from '@linkspan/contract/api/clusters.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, endpoint, endpointWithBody } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import * as clusters from '../operations/clusters.ts';
import type { OperationContext } from '../operations/context.ts';

export function clusterEndpoints(context: OperationContext): Endpoint[] {
  const group = { api: 'linkspan', scope: 'group', limits: RATE_LIMITS.clusters } as const;
  const path = '/groups/:groupId/clusters';
  return [
    endpoint(
      {
        ...group,
        operationId: 'listClusters',
        method: 'GET',
        path,
        role: 'GROUP_READ_ONLY',
        handle: async ({ params, base }) => ({
          status: 200,
          items: await clusters.list(context, params.groupId, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...group,
        operationId: 'createCluster',
        method: 'POST',
        path,
        role: 'GROUP_OWNER',
        handle: async ({ principal, params, body, base }) => {
          const cluster = await clusters.create(context, principal, params.groupId, body, base);
          return { status: 201, body: cluster, location: cluster.links[0]?.href ?? '' };
        },
      },
      FIRST_VERSION,
      CreateCluster,
    ),
    endpoint(
      {
        ...group,
        operationId: 'getCluster',
        method: 'GET',
        path: `${path}/:name`,
        role: 'GROUP_READ_ONLY',
        handle: async ({ params: { groupId, name }, base }) => ({
          status: 200,
          body: await clusters.get(context, groupId, name, base),
        }),
      },
      FIRST_VERSION,
    ),
    endpointWithBody(
      {
        ...group,
        operationId: 'updateCluster',
        method: 'PATCH',
        path: `${path}/:name`,
        role: 'GROUP_OWNER',
        handle: async ({ principal, params: { groupId, name }, body, base }) => ({
          status: 200,
          body: await clusters.setConnectionString(
            context,
            principal,
            groupId,
            name,
            body.connectionString,
            base,
          ),
        }),
      },
      FIRST_VERSION,
      UpdateCluster,
    ),
    endpoint(
      {
        ...group,
        operationId: 'deleteCluster',
        method: 'DELETE',
        path: `${path}/:name`,
        role: 'GROUP_OWNER',
        handle: async ({ principal, params: { groupId, name } }) => {
          await clusters.remove(context, principal, groupId, name);
          return { status: 204 };
        },
      },
      FIRST_VERSION,
    ),
    endpoint(
      {
        ...group,
        operationId: 'testClusterConnection',
        method: 'POST',
        path: `${path}/:name/connectionTest`,
        role: 'GROUP_OWNER',
        handle: async ({ params: { groupId, name } }) => ({
          status: 200,
          body: await clusters.testConnection(context, groupId, name),
        }),
      },
      FIRST_VERSION,
    ),
  ];
}
