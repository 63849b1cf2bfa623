import type { OrganizationLink } from '@linkspan/contract/api/linkTokens.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `liveMigrations link confirm`: asks first, naming what will go on. */
export function addLinkConfirm(parent: Command): void {
  clientCommand(parent.command('confirm'), 'organization')
    .description('Let a link go on that is suspended since a backup of the server was restored.')
    .option('--force', 'do not ask')
    .action(async (options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/orgs/${session.orgId}/liveMigrations/link`;
      if (options.force !== true && !(await confirmHosts(session, path))) {
        console.log('Link not confirmed');
        return;
      }
      const link = await session.call<OrganizationLink>('POST', `${path}/confirm`);
      print(session.output, link, () => `Link confirmed. State: ${link.state}`);
    });
}

async function confirmHosts(session: Session, path: string): Promise<boolean> {
  const { impact, migrationHosts } = await session.call<OrganizationLink>('GET', path);
  const hosts = migrationHosts.map(({ hostname, id }) => `${hostname} (${id})`).join(', ');
  const active = impact.liveMigrations.map(({ id }) => id).join(', ');
  return await confirm(
    `Migration hosts: ${hosts || 'none'}\nActive live migrations: ${active || 'none'}\nLet these hosts go on with these live migrations?`,
  );
}
