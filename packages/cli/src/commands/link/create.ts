import type { CreateLinkToken, LinkToken } from '@linkspan/contract/api/linkTokens.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { handOver } from '../../linkTokenFile.ts';
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
      await handOver(session, options.linkTokenFile, () =>
        session.call<LinkToken>('POST', path, { version: FIRST_VERSION, body }),
      );
    });
}

function splitList(text: string, previous: string[] = []): string[] {
  const items = text.split(',').map((item) => item.trim());
  return [...previous, ...items.filter((item) => item !== '')];
}
