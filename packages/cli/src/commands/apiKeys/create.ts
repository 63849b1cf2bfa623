import type { ApiKey, CreateOrgApiKey } from '@linkspan/contract/api/apiKeys.ts';
import { ORG_ROLES, type OrgRole } from '@linkspan/contract/api/roles.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { Option, type Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface CreateOptions extends ClientOptions {
  readonly desc: string;
  readonly role: OrgRole[];
}

/** `organizations apiKeys create` */
export function addApiKeysCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description('Create an API key of an organization. The private key is shown once.')
    .requiredOption('--desc <text>', 'description of the key')
    .addOption(
      new Option('--role <role...>', 'roles of the key').choices(ORG_ROLES).makeOptionMandatory(),
    )
    .action(async (options: CreateOptions) => {
      await using session = new Session(options);
      const body: CreateOrgApiKey = { desc: options.desc, roles: options.role };
      const path = `${ATLAS_V2}/orgs/${session.orgId}/apiKeys`;
      const key = await session.call<ApiKey>('POST', path, { version: FIRST_VERSION, body });
      print(session.output, key, () => [
        `API Key '${key.id}' created.`,
        `Public API Key ${key.publicKey}`,
        `Private API Key ${key.privateKey}`,
      ]);
    });
}
