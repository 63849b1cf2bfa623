import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `serviceAccounts delete` */
export function addServiceAccountsDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'), 'organization')
    .description('Remove a service account. Its secrets and access tokens end at once.')
    .argument('<clientId>', 'client ID of the account')
    .option('--force', 'do not ask')
    .action(async (clientId: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const question = `Delete the service account ${clientId}?`;
      const sure = options.force === true || (await confirm(question));
      if (!sure) {
        console.log('Service account not deleted');
        return;
      }
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts/${encodeURIComponent(clientId)}`;
      await session.call('DELETE', path, { version: SERVICE_ACCOUNT_VERSION });
      print(session.output, {}, () => `Service account '${clientId}' deleted`);
    });
}
