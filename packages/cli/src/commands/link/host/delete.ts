import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../../session.ts';
import { confirm } from '../../../terminal.ts';

/** `liveMigrations link host delete <hostId>` */
export function addLinkHostDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm').argument('<hostId>'), 'organization')
    .description('Remove a migration host from the link; others take over its live migrations.')
    .option('--force', 'do not ask')
    .action(async (hostId: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const question = `Remove migration host ${hostId}? Other hosts of the link take over its live migrations and compare what it has copied.`;
      if (options.force !== true && !(await confirm(question))) {
        console.log(`Migration host '${hostId}' not deleted`);
        return;
      }
      const id = encodeURIComponent(hostId);
      const path = `${LINKSPAN_V1}/orgs/${session.orgId}/liveMigrations/link/hosts/${id}`;
      await session.call('DELETE', path);
      print(session.output, {}, () => `Migration host '${hostId}' deleted`);
    });
}
