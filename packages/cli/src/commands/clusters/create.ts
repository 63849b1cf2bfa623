import { readFileSync } from 'node:fs';

import type { Cluster, CreateCluster } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UsageError } from '../../exitCodes.ts';
import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { readSecret } from '../../terminal.ts';

interface CreateOptions extends ClientOptions {
  readonly uriFile?: string;
  readonly clusterCaFile?: string;
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
    .option(
      '--clusterCaFile <path>',
      "authorities that the cluster's certificate is signed by, in PEM",
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
      const file = options.clusterCaFile;
      const tlsCA = file === undefined ? {} : { tlsCA: readPem(file) };
      const body: CreateCluster = { name, connectionString, ...tlsCA };
      const cluster = await session.call<Cluster>('POST', path, { body });
      print(session.output, cluster, () => `Cluster '${cluster.name}' created.`);
    });
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--clusterCaFile: ${path} cannot be read (${code})`);
  }
}
