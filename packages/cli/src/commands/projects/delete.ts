import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `projects delete` */
export function addProjectsDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'))
    .description('Remove a project.')
    .argument('<projectId>', 'id of the project')
    .option('--force', 'do not ask')
    .action(async (projectId: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const sure = options.force === true || (await confirm(`Delete the project ${projectId}?`));
      if (!sure) {
        console.log('Project not deleted');
        return;
      }
      const path = `${ATLAS_V2}/groups/${encodeURIComponent(projectId)}`;
      await session.call('DELETE', path, { version: FIRST_VERSION });
      print(session.output, {}, () => `Project '${projectId}' deleted`);
    });
}
