import { ORG_ROLES, type OrgRole } from '@linkspan/contract/api/roles.ts';
import type {
  CreateServiceAccount,
  ServiceAccount,
} from '@linkspan/contract/api/serviceAccounts.ts';
import { ATLAS_V2, SERVICE_ACCOUNT_VERSION } from '@linkspan/contract/api/versions.ts';
import { Option, type Command } from 'commander';

import { print } from '../../output.ts';
import { secretLifeOption } from '../../secretLife.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface CreateOptions extends ClientOptions {
  readonly desc: string;
  readonly role: OrgRole[];
  readonly secretExpiresAfterHours: number;
}

/** `serviceAccounts create` */
export function addServiceAccountsCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description('Create a service account. Its first secret is shown once.')
    .argument('<name>', 'name of the account')
    .requiredOption('--desc <text>', 'description of the account')
    .addOption(
      new Option('--role <role...>', 'roles of the account')
        .choices(ORG_ROLES)
        .makeOptionMandatory(),
    )
    .addOption(secretLifeOption())
    .action(async (name: string, options: CreateOptions) => {
      await using session = new Session(options);
      const body: CreateServiceAccount = {
        name,
        description: options.desc,
        roles: options.role,
        secretExpiresAfterHours: options.secretExpiresAfterHours,
      };
      const path = `${ATLAS_V2}/orgs/${session.orgId}/serviceAccounts`;
      const account = await session.call<ServiceAccount>('POST', path, {
        version: SERVICE_ACCOUNT_VERSION,
        body,
      });
      print(session.output, account, () => [
        `Service account '${account.clientId}' created.`,
        `Client ID     ${account.clientId}`,
        ...account.secrets.flatMap(({ secret, expiresAt }) => [
          `Client secret ${secret ?? '-'}`,
          `It expires at ${expiresAt}.`,
        ]),
      ]);
    });
}
