import type { Cluster } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { clusterBody, clusterCommand, type ClusterOptions } from '../../clusterOptions.ts';
import { print } from '../../output.ts';
import { Session } from '../../session.ts';

/** `clusters update`: a new password, or new authorities. */
export function addClustersUpdate(parent: Command): void {
  clusterCommand(parent.command('update'))
    .description(
      'Replace the connection string of a destination cluster, and its authorities with it.',
    )
    .action(async (name: string, options: ClusterOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters/${encodeURIComponent(name)}`;
      const body = await clusterBody(options);
      const cluster = await session.call<Cluster>('PATCH', path, { body });
      print(session.output, cluster, () => `Cluster '${cluster.name}' updated.`);
    });
}
