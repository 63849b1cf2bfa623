import type { OrganizationLink } from '@linkspan/contract/api/linkTokens.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `liveMigrations link describe` */
export function addLinkDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'organization')
    .description('Show the organization link, its migration hosts, and what depends on it.')
    .action(async (options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/orgs/${session.orgId}/liveMigrations/link`;
      const link = await session.call<OrganizationLink>('GET', path);
      print(session.output, link, () => [
        `State: ${link.state}`,
        ...(link.linkTokenExpires === null
          ? []
          : [`Link-token, not presented yet, expires: ${link.linkTokenExpires}`]),
        `Active live migrations: ${link.impact.liveMigrations.map(({ id }) => id).join(', ') || 'none'}`,
        table(
          ['HOST ID', 'HOSTNAME', 'AGENT', 'LAST HEARTBEAT', 'LIVE MIGRATIONS', 'UNLINKED'],
          link.migrationHosts.map((host) => [
            host.id,
            host.hostname,
            host.agentVersion,
            host.lastHeartbeat,
            host.liveMigrations,
            host.unlinked,
          ]),
        ),
      ]);
    });
}
