import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `organizations delete` */
export function addOrganizationsDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'))
    .description('Remove an organization.')
    .argument('<orgId>', 'id of the organization')
    .option('--force', 'do not ask')
    .action(async (orgId: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const sure = options.force === true || (await confirm(`Delete the organization ${orgId}?`));
      if (!sure) {
        console.log('Organization not deleted');
        return;
      }
      const path = `${ATLAS_V2}/orgs/${encodeURIComponent(orgId)}`;
      await session.call('DELETE', path, { version: FIRST_VERSION });
      print(session.output, {}, () => `Organization '${orgId}' deleted`);
    });
}
