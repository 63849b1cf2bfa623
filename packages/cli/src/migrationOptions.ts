import type { CreateLiveMigration20240530 } from '@linkspan/contract/api/liveMigrations.ts';
import type { Command } from 'commander';

import { UsageError } from './exitCodes.ts';
import { clientCommand, type ClientOptions } from './session.ts';
import { readSecret } from './terminal.ts';

/** Flags of `liveMigrations create` and `liveMigrations validation create`. */
export interface MigrationOptions extends ClientOptions {
  readonly clusterName: string;
  readonly migrationHost: string;
  readonly sourceClusterName: string;
  readonly sourceProjectId: string;
  readonly sourceUsername?: string;
  readonly sourcePassword?: string;
  readonly sourcePasswordFile?: string;
  readonly sourceManagedAuthentication?: true;
  readonly sourceSsl?: true;
  readonly sourceCACertificatePath?: string;
  readonly drop?: true;
  readonly force?: true;
}

export function migrationCommand(command: Command): Command {
  return clientCommand(command, 'project')
    .requiredOption('--clusterName <name>', 'destination cluster')
    .requiredOption('--migrationHost <hostname>', 'migration host that does the work')
    .requiredOption('--sourceClusterName <name>', 'deployment of the source')
    .requiredOption('--sourceProjectId <id>', 'project of the source')
    .option('-u, --sourceUsername <name>', 'user of the source')
    .option(
      '-p, --sourcePassword <password>',
      'its password; other users of this machine can read it here: prefer --sourcePasswordFile',
    )
    .option(
      '--sourcePasswordFile <path>',
      'file with the password, - for standard input; else LINKSPAN_SOURCE_PASSWORD or asked for',
    )
    .option(
      '--sourceManagedAuthentication',
      'the migration host has the credentials in its own configuration',
    )
    .option('--sourceSsl', 'connect to the source with TLS')
    .option('--sourceCACertificatePath <path>', 'CA file on the migration host')
    .option('--drop', 'drop what the destination cluster holds first')
    .option('--force', 'do not ask');
}

/**
 * The request's body, with an empty string for what is not used, as other clients send it.
 * @throws {UsageError} if it is not clear how the source authenticates
 */
export async function migrationBody(
  options: MigrationOptions,
  projectId: string,
): Promise<CreateLiveMigration20240530> {
  const managed = options.sourceManagedAuthentication === true;
  if (managed === (options.sourceUsername !== undefined)) {
    throw new UsageError('give either --sourceUsername or --sourceManagedAuthentication');
  }
  return {
    destination: { clusterName: options.clusterName, groupId: projectId },
    dropDestinationData: options.drop === true,
    migrationHosts: [options.migrationHost],
    source: {
      caCertificatePath: options.sourceCACertificatePath ?? '',
      clusterName: options.sourceClusterName,
      groupId: options.sourceProjectId,
      managedAuthentication: managed,
      password: managed ? '' : (options.sourcePassword ?? (await askPassword(options))),
      ssl: options.sourceSsl === true,
      username: options.sourceUsername ?? '',
    },
  };
}

function askPassword({ sourcePasswordFile }: MigrationOptions): Promise<string> {
  return readSecret({
    what: 'password of the source',
    file: sourcePasswordFile,
    flag: '--sourcePasswordFile',
    variable: 'LINKSPAN_SOURCE_PASSWORD',
  });
}
