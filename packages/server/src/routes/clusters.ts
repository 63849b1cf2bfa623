import {
  Cluster,
  ConnectionTestResult,
  CreateCluster,
  UpdateCluster,
} from '@linkspan/contract/api/clusters.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import * as clusters from '../operations/clusters.ts';
import type { OperationContext } from '../operations/context.ts';

export function clusterEndpoints(context: OperationContext): Endpoint[] {
  const group = {
    tag: 'Clusters',
    api: 'linkspan',
    scope: 'group',
    limits: RATE_LIMITS.clusters,
  } as const;
  const path = '/groups/{groupId}/clusters';
  return [
    listOperation({
      ...group,
      operationId: 'listDestinationClusters',
      summary: 'Destination clusters of a project',
      method: 'GET',
      path,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Cluster }],
      handle: async ({ params, base }) => ({
        items: await clusters.list(context, params.groupId, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'createDestinationCluster',
      summary: 'Register a destination cluster',
      method: 'POST',
      path,
      role: 'GROUP_OWNER',
      status: 201,
      versions: [{ date: FIRST_VERSION, body: CreateCluster, response: Cluster }],
      handle: async ({ principal, params, body, base }) => {
        const cluster = await clusters.create(context, principal, params.groupId, body, base);
        return { body: cluster, location: cluster.links[0]?.href ?? '' };
      },
    }),
    operation({
      ...group,
      operationId: 'getDestinationCluster',
      summary: 'One destination cluster',
      method: 'GET',
      path: `${path}/{clusterName}`,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Cluster }],
      handle: async ({ params: { groupId, clusterName }, base }) => ({
        body: await clusters.get(context, groupId, clusterName, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'updateDestinationCluster',
      summary: "Change a destination cluster's connection string",
      method: 'PATCH',
      path: `${path}/{clusterName}`,
      role: 'GROUP_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, body: UpdateCluster, response: Cluster }],
      handle: async ({ principal, params: { groupId, clusterName }, body, base }) => ({
        body: await clusters.setConnectionString(
          context,
          principal,
          groupId,
          clusterName,
          body,
          base,
        ),
      }),
    }),
    operation({
      ...group,
      operationId: 'deleteDestinationCluster',
      summary: 'Forget a destination cluster; nothing is done to it',
      method: 'DELETE',
      path: `${path}/{clusterName}`,
      role: 'GROUP_OWNER',
      status: 204,
      versions: [{ date: FIRST_VERSION }],
      handle: async ({ principal, params: { groupId, clusterName } }) => {
        await clusters.remove(context, principal, groupId, clusterName);
      },
    }),
    operation({
      ...group,
      operationId: 'testDestinationClusterConnection',
      summary: 'Connect to a destination cluster and say what came of it',
      method: 'POST',
      path: `${path}/{clusterName}/connectionTest`,
      role: 'GROUP_OWNER',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: ConnectionTestResult }],
      handle: async ({ principal, params: { groupId, clusterName } }) => ({
        body: await clusters.testConnection(context, principal, groupId, clusterName),
      }),
    }),
  ];
}
