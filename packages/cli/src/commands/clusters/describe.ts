import type { Cluster } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `clusters describe` */
export function addClustersDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show a destination cluster.')
    .argument('<name>', 'name of the cluster')
    .action(async (name: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters/${encodeURIComponent(name)}`;
      const found = await session.call<Cluster>('GET', path);
      const { id, mongoDBVersion, topology, hosts } = found;
      print(session.output, found, () =>
        table(
          ['ID', 'NAME', 'MDB VER', 'TOPOLOGY', 'HOSTS'],
          [[id, found.name, mongoDBVersion, topology, hosts.join(',')]],
        ),
      );
    });
}
