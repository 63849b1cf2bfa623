import type { Cluster, CreateCluster } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { clusterBody, clusterCommand, type ClusterOptions } from '../../clusterOptions.ts';
import { print } from '../../output.ts';
import { Session } from '../../session.ts';

/** `clusters create` */
export function addClustersCreate(parent: Command): void {
  clusterCommand(parent.command('create'))
    .description('Register a destination cluster.')
    .action(async (name: string, options: ClusterOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters`;
      const body: CreateCluster = { name, ...(await clusterBody(options)) };
      const cluster = await session.call<Cluster>('POST', path, { body });
      print(session.output, cluster, () => `Cluster '${cluster.name}' created.`);
    });
}
