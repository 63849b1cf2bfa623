import { closeSync, openSync, renameSync, rmSync, statSync, writeSync } from 'node:fs';

import type { CreateLinkToken, LinkToken } from '@linkspan/contract/api/linkTokens.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UsageError } from '../../exitCodes.ts';
import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface CreateOptions extends ClientOptions {
  readonly accessListIp?: string[];
  readonly linkTokenFile?: string;
}

/** `liveMigrations link create` */
export function addLinkCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description('Create a link-token, with which a migration host links to the organization.')
    .option(
      '--accessListIp <ips>',
      'addresses and CIDR blocks that hosts may come from, with commas',
      splitList,
    )
    .option('--linkTokenFile <path>', 'write the link-token there (0600) instead of printing it')
    .action(async (options: CreateOptions) => {
      await using session = new Session(options);
      const body: CreateLinkToken = { accessListIps: options.accessListIp ?? [] };
      const path = `${ATLAS_V2}/orgs/${session.orgId}/liveMigrations/linkTokens`;
      const create = () => session.call<LinkToken>('POST', path, { version: FIRST_VERSION, body });
      const file = options.linkTokenFile;
      if (file === undefined) {
        const created = await create();
        print(
          session.output,
          created,
          () => `Link-token '${created.linkToken}' successfully created.`,
        );
        return;
      }
      await writeSecret(file, async () => `${(await create()).linkToken}\n`);
      print(session.output, { linkTokenFile: file }, () => `Link-token written to ${file}.`);
    });
}

/**
 * Writes a secret that is made once: the file is opened before, so that a secret that cannot be kept
 * is not made, and replaces one that others could read.
 */
async function writeSecret(path: string, make: () => Promise<string>): Promise<void> {
  const beside = `${path}.new`;
  let file: number;
  try {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) {
      throw Object.assign(new Error('a directory is no file'), { code: 'EISDIR' });
    }
    rmSync(beside, { force: true });
    file = openSync(beside, 'wx', 0o600);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`--linkTokenFile: ${path} cannot be written (${code})`);
  }
  try {
    writeSync(file, await make());
    renameSync(beside, path);
  } finally {
    closeSync(file);
    rmSync(beside, { force: true });
  }
}

function splitList(text: string, previous: string[] = []): string[] {
  const items = text.split(',').map((item) => item.trim());
  return [...previous, ...items.filter((item) => item !== '')];
}
