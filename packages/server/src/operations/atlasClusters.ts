import type { AtlasCluster } from '@linkspan/contract/api/atlasClusters.ts';
import { publicConnectionStrings } from '../domain/destinationUri.ts';
import * as clusters from '../store/clusters.ts';
import type { ClusterRow } from '../store/schema.ts';
import { load } from './clusters.ts';
import type { OperationContext } from './context.ts';

/** The destination clusters of a project, as Atlas shows clusters. */
export async function list(
  context: OperationContext,
  groupId: string,
  base: string,
): Promise<AtlasCluster[]> {
  const rows = await clusters.listByProject(context.store.db, groupId);
  return rows.map((row) => toAtlasCluster(context, row, base));
}

export async function get(
  context: OperationContext,
  groupId: string,
  name: string,
  base: string,
): Promise<AtlasCluster> {
  return toAtlasCluster(context, await load(context.store.db, groupId, name), base);
}

function toAtlasCluster(context: OperationContext, row: ClusterRow, base: string): AtlasCluster {
  const { mongoDBVersion, topology } = clusters.factsOf(row);
  // A development build is called 8.3.0-alpha1: Atlas's attribute has the three numbers alone.
  const version = /^\d+\.\d+\.\d+/.exec(mongoDBVersion ?? '')?.[0];
  return {
    ...(topology === undefined
      ? {}
      : { clusterType: topology === 'Sharded' ? 'SHARDED' : 'REPLICASET' }),
    connectionStrings: publicConnectionStrings(clusters.openUri(context.store.sealer, row)),
    groupId: row.project_id,
    id: row.id,
    links: [{ href: `${base}/groups/${row.project_id}/clusters/${row.name}`, rel: 'self' }],
    ...(version === undefined ? {} : { mongoDBVersion: version }),
    name: row.name,
    paused: false,
    stateName: 'IDLE',
  };
}
