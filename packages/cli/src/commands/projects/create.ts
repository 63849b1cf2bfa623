import type { CreateProject, Project } from '@linkspan/contract/api/projects.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `projects create` */
export function addProjectsCreate(parent: Command): void {
  clientCommand(parent.command('create'), 'organization')
    .description('Create a project in an organization.')
    .argument('<name>', 'name of the project')
    .action(async (name: string, options: ClientOptions) => {
      await using session = new Session(options);
      const body: CreateProject = { name, orgId: session.orgId };
      const request = { version: FIRST_VERSION, body };
      const project = await session.call<Project>('POST', `${ATLAS_V2}/groups`, request);
      print(session.output, project, () => `Project '${project.id}' created.`);
    });
}
