import type { Project } from '@linkspan/contract/api/projects.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `projects describe` */
export function addProjectsDescribe(parent: Command): void {
  clientCommand(parent.command('describe'))
    .description('Show a project.')
    .argument('<projectId>', 'id of the project')
    .action(async (projectId: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/groups/${encodeURIComponent(projectId)}`;
      const found = await session.call<Project>('GET', path, { version: FIRST_VERSION });
      print(session.output, found, () => table(['ID', 'NAME'], [[found.id, found.name]]));
    });
}
