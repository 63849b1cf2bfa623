import type {
  ThrottleChange,
  ValidateLiveMigrationOwn,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Command } from 'commander';

import { UsageError } from './exitCodes.ts';
import { clientCommand, type ClientOptions } from './session.ts';
import { readSecret } from './terminal.ts';

/** Flags of `liveMigrations create` and `liveMigrations validation create`. */
export interface MigrationOptions extends ClientOptions {
  readonly clusterName: string;
  readonly migrationHost?: string;
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

/** Flags of what only Linkspan's own operations take. */
export interface LimitOptions {
  readonly maxBytesPerSecond?: string;
  readonly maxDocumentsPerSecond?: string;
}

/** Flags of `create` for what Atlas has no field for. */
export interface OwnOptions extends LimitOptions {
  readonly blockSourceWrites?: true;
  readonly verification?: string;
}

export function limitOptions(command: Command, none: string): Command {
  return command
    .option('--maxBytesPerSecond <number>', `bytes of documents pushed in a second at most${none}`)
    .option('--maxDocumentsPerSecond <number>', `documents pushed in a second at most${none}`);
}

/**
 * The throttle that the flags ask for; 0 takes a limit away.
 * @returns undefined where there is no flag
 * @throws {UsageError} for what is not a number
 */
export function throttleOf(options: LimitOptions): ThrottleChange | undefined {
  const { maxBytesPerSecond: bytes, maxDocumentsPerSecond: documents } = options;
  if (bytes === undefined && documents === undefined) return undefined;
  const limit = (flag: string, text: string) => wholeNumber(flag, text) || null;
  return {
    ...(bytes === undefined ? {} : { bytesPerSecond: limit('--maxBytesPerSecond', bytes) }),
    ...(documents === undefined
      ? {}
      : { documentsPerSecond: limit('--maxDocumentsPerSecond', documents) }),
  };
}

/** @throws {UsageError} for anything but a whole number from 0 */
export function wholeNumber(flag: string, text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new UsageError(`${flag} "${text}" is not a whole number`);
}

export function migrationCommand(command: Command): Command {
  return clientCommand(command, 'project')
    .requiredOption('--clusterName <name>', 'destination cluster')
    .option(
      '--migrationHost <hostname>',
      'migration host that does the work; of several, with commas, or of all the server picks one',
    )
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
): Promise<ValidateLiveMigrationOwn> {
  const managed = options.sourceManagedAuthentication === true;
  if (managed === (options.sourceUsername !== undefined)) {
    throw new UsageError('give either --sourceUsername or --sourceManagedAuthentication');
  }
  return {
    destination: { clusterName: options.clusterName, groupId: projectId },
    dropDestinationData: options.drop === true,
    ...(options.migrationHost !== undefined && {
      migrationHosts: options.migrationHost.split(',').map((name) => name.trim()),
    }),
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
