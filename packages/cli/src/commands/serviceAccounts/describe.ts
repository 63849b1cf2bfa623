import type { ServiceAccount } from '@linkspan/contract/api/serviceAccounts.ts';
import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `serviceAccounts describe` */
export function addServiceAccountsDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'organization')
    .description('Show a service account and its secrets, which are masked.')
    .argument('<clientId>', 'client ID of the account')
    .action(async (clientId: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts/${encodeURIComponent(clientId)}`;
      const account = await session.call<ServiceAccount>('GET', path, {
        version: SERVICE_ACCOUNT_VERSION,
      });
      print(session.output, account, () => [
        table(
          ['CLIENT ID', 'NAME', 'DESCRIPTION', 'ROLES'],
          [[account.clientId, account.name, account.description, account.roles.join(',')]],
        ),
        '',
        table(
          ['SECRET ID', 'SECRET', 'EXPIRES', 'LAST USED'],
          account.secrets.map(({ id, maskedSecretValue, expiresAt, lastUsedAt }) => [
            id,
            maskedSecretValue ?? null,
            expiresAt,
            lastUsedAt ?? null,
          ]),
        ),
      ]);
    });
}
