import { resolve } from 'node:path';
import process from 'node:process';

import type { Command } from 'commander';

import { UsageError } from '../../exitCodes.ts';
import {
  PROFILE_VARIABLES,
  profilesPath,
  SECRET_KEYS,
  updateProfile,
  type Profile,
} from '../../profiles.ts';
import { checkBaseUrl } from '../../session.ts';
import { ask, readSecret } from '../../terminal.ts';

const CLIENT_ID_PREFIX = 'mdb_sa_id_';

interface InitOptions {
  readonly profile: string;
  readonly baseUrl?: string;
  readonly tlsCaFile?: string;
  readonly publicKey?: string;
  readonly privateKeyFile?: string;
  readonly clientId?: string;
  readonly clientSecretFile?: string;
  readonly orgId?: string;
  readonly projectId?: string;
}

/** `config init`: asks for what a profile holds; what flags and environment give is not asked for. */
export function addConfigInit(parent: Command): void {
  parent
    .command('init')
    .description('Set up a profile: server, API key or service account, organization and project.')
    .option('-P, --profile <name>', 'profile to set up', 'default')
    .option('--baseUrl <url>', 'URL of the server')
    .option('--tlsCaFile <path>', "authorities that the server's certificate is signed by, in PEM")
    .option('--publicKey <key>', 'public key of the API key')
    .option('--privateKeyFile <path>', 'file with the private key, - for standard input')
    .option('--clientId <id>', 'client ID of the service account, instead of an API key')
    .option('--clientSecretFile <path>', 'file with its client secret, - for standard input')
    .option('--orgId <id>', 'organization to use')
    .option('--projectId <id>', 'project to use')
    .action(async (options: InitOptions) => {
      const baseUrl = await value('baseUrl', options.baseUrl, 'URL of the server: ');
      checkBaseUrl(baseUrl);
      const caFile = options.tlsCaFile ?? process.env[PROFILE_VARIABLES.tlsCaFile];
      const credentials = await credentialsOf(options);
      const orgId = await optional('orgId', options.orgId, 'Organization ID (may be empty): ');
      const projectId = await optional(
        'projectId',
        options.projectId,
        'Project ID (may be empty): ',
      );
      const profile: Profile = {
        baseUrl,
        ...(caFile === undefined ? {} : { tlsCaFile: resolve(caFile) }),
        ...credentials,
        ...(orgId === '' ? {} : { orgId }),
        ...(projectId === '' ? {} : { projectId }),
      };
      updateProfile(options.profile, profile, [
        'publicKey',
        'privateKey',
        'clientId',
        'clientSecret',
      ]);
      console.log(`Profile '${options.profile}' saved in ${profilesPath()}`);
    });
}

/** Those of an API key or of a service account: its id tells which. */
async function credentialsOf(options: InitOptions): Promise<Profile> {
  if (options.clientId?.startsWith(CLIENT_ID_PREFIX) === false) {
    throw new UsageError(
      `"${options.clientId}" is no client ID: it begins with ${CLIENT_ID_PREFIX}`,
    );
  }
  const id = await value(
    'publicKey',
    options.clientId ?? options.publicKey ?? process.env[PROFILE_VARIABLES.clientId],
    'Public API key, or client ID of a service account: ',
  );
  if (id.startsWith(CLIENT_ID_PREFIX)) {
    const clientSecret = await readSecret({
      what: SECRET_KEYS.clientSecret,
      file: options.clientSecretFile,
      flag: '--clientSecretFile',
      variable: PROFILE_VARIABLES.clientSecret,
    });
    return { clientId: id, clientSecret };
  }
  const privateKey = await readSecret({
    what: SECRET_KEYS.privateKey,
    file: options.privateKeyFile,
    flag: '--privateKeyFile',
    variable: PROFILE_VARIABLES.privateKey,
  });
  return { publicKey: id, privateKey };
}

type Asked = 'baseUrl' | 'publicKey' | 'orgId' | 'projectId';

async function value(key: Asked, flag: string | undefined, question: string): Promise<string> {
  const variable = PROFILE_VARIABLES[key];
  const given = flag ?? process.env[variable];
  const otherwise = `${key} is not known: give --${key} or ${variable}`;
  const answer = given ?? (await ask(question, otherwise));
  if (answer === '') throw new UsageError(otherwise);
  return answer;
}

async function optional(key: Asked, flag: string | undefined, question: string): Promise<string> {
  const given = flag ?? process.env[PROFILE_VARIABLES[key]];
  if (given !== undefined) return given;
  return process.stdin.isTTY ? await ask(question, '') : '';
}
