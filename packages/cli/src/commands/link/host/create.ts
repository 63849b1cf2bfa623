import type { LinkToken } from '@linkspan/contract/api/linkTokens.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { handOver } from '../../../linkTokenFile.ts';
import { clientCommand, Session, type ClientOptions } from '../../../session.ts';

/** `liveMigrations link host create` */
export function addLinkHostCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description('Create a link-token for one more migration host of the organization link.')
    .option('--linkTokenFile <path>', 'write the link-token there (0600) instead of printing it')
    .action(async (options: ClientOptions & { linkTokenFile?: string }) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/orgs/${session.orgId}/liveMigrations/link/hosts`;
      await handOver(session, options.linkTokenFile, () => session.call<LinkToken>('POST', path));
    });
}
