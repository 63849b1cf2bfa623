import type {
  CreatedOrganization,
  CreateOrganization,
} from '@linkspan/contract/api/organizations.ts';
import { ORG_ROLES, type OrgRole } from '@linkspan/contract/api/roles.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { Option, type Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** The key was asked for. */
type Created = CreatedOrganization & Required<Pick<CreatedOrganization, 'apiKey'>>;

interface CreateOptions extends ClientOptions {
  readonly apiKeyDescription: string;
  readonly apiKeyRole: OrgRole[];
}

/** `organizations create`: comes with an API key, since a key belongs to one organization. */
export function addOrganizationsCreate(parent: Command): void {
  clientCommand(parent.command('create'))
    .description('Create an organization, and an API key of its own.')
    .argument('<name>', 'name of the organization')
    .option(
      '--apiKeyDescription <text>',
      'description of its API key',
      'Made with its organization',
    )
    .addOption(
      new Option('--apiKeyRole <role...>', 'roles of its API key')
        .choices(ORG_ROLES)
        .default(['ORG_OWNER']),
    )
    .action(async (name: string, options: CreateOptions) => {
      await using session = new Session(options);
      const body: CreateOrganization = {
        name,
        apiKey: { desc: options.apiKeyDescription, roles: options.apiKeyRole },
      };
      const created = await session.call<Created>('POST', `${ATLAS_V2}/orgs`, {
        version: FIRST_VERSION,
        body,
      });
      print(session.output, created, () => [
        `Organization '${created.organization.id}' created.`,
        `Public API Key  ${created.apiKey.publicKey}`,
        `Private API Key ${created.apiKey.privateKey}`,
      ]);
    });
}
