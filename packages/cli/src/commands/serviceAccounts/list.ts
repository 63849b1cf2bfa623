import type { Page } from '@linkspan/contract/api/common.ts';
import type { ServiceAccount } from '@linkspan/contract/api/serviceAccounts.ts';
import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';

/** `serviceAccounts list` */
export function addServiceAccountsList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'), 'organization')
    .description('List the service accounts of an organization.')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts`;
      const page = await session.call<Page<ServiceAccount>>('GET', path, {
        version: SERVICE_ACCOUNT_VERSION,
        query: pageQuery(options),
      });
      print(session.output, page, () =>
        table(
          ['CLIENT ID', 'NAME', 'ROLES', 'SECRETS'],
          page.results.map(({ clientId, name, roles, secrets }) => [
            clientId,
            name,
            roles.join(','),
            secrets.length,
          ]),
        ),
      );
    });
}
