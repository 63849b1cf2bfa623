import type { Organization } from '@linkspan/contract/api/organizations.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `organizations describe` */
export function addOrganizationsDescribe(parent: Command): void {
  clientCommand(parent.command('describe'))
    .description('Show an organization.')
    .argument('<orgId>', 'id of the organization')
    .action(async (orgId: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${encodeURIComponent(orgId)}`;
      const found = await session.call<Organization>('GET', path, { version: FIRST_VERSION });
      print(session.output, found, () => table(['ID', 'NAME'], [[found.id, found.name]]));
    });
}
