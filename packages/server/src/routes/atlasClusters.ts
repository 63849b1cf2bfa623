import { AtlasCluster } from '@linkspan/contract/api/atlasClusters.ts';
import { CLUSTER_VERSIONS } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, listOperation, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import * as atlasClusters from '../operations/atlasClusters.ts';
import type { OperationContext } from '../operations/context.ts';

/** Of the versions that 2024-08-05 replaced (specified). */
const SUNSET = '2027-07-01';

const [FIRST, SECOND, NEWEST] = CLUSTER_VERSIONS;

const VERSIONS = [
  { date: FIRST, sunset: SUNSET, response: AtlasCluster },
  { date: SECOND, sunset: SUNSET, response: AtlasCluster },
  { date: NEWEST, response: AtlasCluster },
];

/** Reads alone: a destination is registered through Linkspan's own API, with its credentials. */
export function atlasClusterEndpoints(context: OperationContext): Endpoint[] {
  const group = {
    tag: 'Clusters',
    api: 'atlas',
    scope: 'group',
    role: 'GROUP_READ_ONLY',
    limits: RATE_LIMITS.clusters,
    method: 'GET',
    status: 200,
    versions: VERSIONS,
  } as const;
  const path = '/groups/{groupId}/clusters';
  return [
    listOperation({
      ...group,
      operationId: 'listGroupClusters',
      summary: 'Destination clusters of a project, as Atlas shows clusters',
      path,
      query: {
        includeDeletedWithRetainedBackups: {
          type: 'boolean',
          description: 'Accepted and not used: there are no backups here',
        },
      },
      handle: async ({ params, base }) => ({
        items: await atlasClusters.list(context, params.groupId, base),
      }),
    }),
    operation({
      ...group,
      operationId: 'getGroupCluster',
      summary: 'One destination cluster, as Atlas shows clusters',
      path: `${path}/{clusterName}`,
      handle: async ({ params: { groupId, clusterName }, base }) => ({
        body: await atlasClusters.get(context, groupId, clusterName, base),
      }),
    }),
  ];
}
