import type { ServiceAccountSecret } from '@linkspan/contract/api/serviceAccounts.ts';
import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { secretLifeOption } from '../../secretLife.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface CreateOptions extends ClientOptions {
  readonly clientId: string;
  readonly secretExpiresAfterHours: number;
}

/** `serviceAccounts secrets create` */
export function addServiceAccountSecretsCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description(
      'Create another secret of a service account, which can have two. It is shown once.',
    )
    .requiredOption('--clientId <id>', 'client ID of the account')
    .addOption(secretLifeOption())
    .action(async (options: CreateOptions) => {
      await using session = new Session(options);
      const account = encodeURIComponent(options.clientId);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts/${account}/secrets`;
      const { secretExpiresAfterHours } = options;
      const made = await session.call<ServiceAccountSecret>('POST', path, {
        version: SERVICE_ACCOUNT_VERSION,
        body: { secretExpiresAfterHours },
      });
      print(session.output, made, () => [
        `Secret '${made.id}' created.`,
        `Client secret ${made.secret ?? '-'}`,
        `It expires at ${made.expiresAt}.`,
      ]);
    });
}
