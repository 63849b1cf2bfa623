import { readFileSync } from 'node:fs';

import type { UpdateCluster } from '@linkspan/contract/api/clusters.ts';
import type { Command } from 'commander';

import { UsageError } from './exitCodes.ts';
import { clientCommand, type ClientOptions } from './session.ts';
import { readSecret } from './terminal.ts';

/** Flags of `clusters create` and `clusters update`. */
export interface ClusterOptions extends ClientOptions {
  readonly uriFile?: string;
  readonly clusterCaFile?: string;
}

export function clusterCommand(command: Command): Command {
  return clientCommand(command, 'project')
    .argument('<name>', 'name of the cluster')
    .option(
      '--uriFile <path>',
      'file with the connection string, - for standard input; LINKSPAN_CLUSTER_URI if absent',
    )
    .option(
      '--clusterCaFile <path>',
      "authorities that the cluster's certificate is signed by, in PEM",
    );
}

/** The connection string is a secret and never an argument. @throws {UsageError} */
export async function clusterBody(options: ClusterOptions): Promise<UpdateCluster> {
  const connectionString = await readSecret({
    what: 'connection string',
    file: options.uriFile,
    flag: '--uriFile',
    variable: 'LINKSPAN_CLUSTER_URI',
  });
  const file = options.clusterCaFile;
  return { connectionString, ...(file === undefined ? {} : { tlsCA: readPem(file) }) };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--clusterCaFile: ${path} cannot be read (${code})`);
  }
}
