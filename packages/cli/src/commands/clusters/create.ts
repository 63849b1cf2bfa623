import type { Cluster, CreateCluster } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { readSecret } from '../../terminal.ts';

interface CreateOptions extends ClientOptions {
  readonly uriFile?: string;
}

/** `clusters create`: the connection string is a secret and never an argument. */
export function addClustersCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'project')
    .description('Register a destination cluster.')
    .argument('<name>', 'name of the cluster')
    .option(
      '--uriFile <path>',
      'file with the connection string, - for standard input; LINKSPAN_CLUSTER_URI if absent',
    )
    .action(async (name: string, options: CreateOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters`;
      const connectionString = await readSecret({
        what: 'connection string',
        file: options.uriFile,
        flag: '--uriFile',
        variable: 'LINKSPAN_CLUSTER_URI',
      });
      const body: CreateCluster = { name, connectionString };
      const cluster = await session.call<Cluster>('POST', path, { body });
      print(session.output, cluster, () => `Cluster '${cluster.name}' created.`);
    });
}
