import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

interface DeleteOptions extends ClientOptions {
  readonly clientId: string;
  readonly force?: true;
}

/** `serviceAccounts secrets delete` */
export function addServiceAccountSecretsDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'), 'organization')
    .description('Remove a secret of a service account. Its access tokens end at once.')
    .argument('<secretId>', 'id of the secret, as `serviceAccounts describe` shows it')
    .requiredOption('--clientId <id>', 'client ID of the account')
    .option('--force', 'do not ask')
    .action(async (secretId: string, options: DeleteOptions) => {
      await using session = new Session(options);
      const question = `Delete the secret ${secretId} of ${options.clientId}?`;
      const sure = options.force === true || (await confirm(question));
      if (!sure) {
        console.log('Secret not deleted');
        return;
      }
      const account = encodeURIComponent(options.clientId);
      const secret = encodeURIComponent(secretId);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts/${account}/secrets/${secret}`;
      await session.call('DELETE', path, { version: SERVICE_ACCOUNT_VERSION });
      print(session.output, {}, () => `Secret '${secretId}' deleted`);
    });
}
