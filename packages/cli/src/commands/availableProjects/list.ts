import type { AvailableProject } from '@linkspan/contract/api/linkTokens.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `liveMigrations availableProjects list` */
export function addAvailableProjectsList(parent: Command): void {
  clientCommand(parent.command('list').alias('ls'), 'organization')
    .description('List the projects and deployments that migration hosts can read.')
    .action(async (options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/liveMigrations/availableProjects`;
      const projects = await session.call<AvailableProject[]>('GET', path, {
        version: FIRST_VERSION,
      });
      print(session.output, projects, () =>
        table(
          ['PROJECT ID', 'NAME', 'DEPLOYMENT', 'MDB VER', 'MIGRATION HOSTS'],
          projects.flatMap(({ projectId, name, deployments, migrationHosts }) =>
            deployments.map((deployment) => [
              projectId,
              name,
              deployment.name,
              deployment.mongoDBVersion,
              migrationHosts.join(','),
            ]),
          ),
        ),
      );
    });
}
