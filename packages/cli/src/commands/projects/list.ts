import type { Page } from '@linkspan/contract/api/common.ts';
import type { Project } from '@linkspan/contract/api/projects.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';

/** `projects list`: of one organization with --orgId, else every one that the key may see. */
export function addProjectsList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'))
    .description('List projects.')
    .option('--orgId <id>', 'of this organization only')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const path =
        options.orgId === undefined
          ? `${ATLAS_V2}/groups`
          : `${ATLAS_V2}/orgs/${session.orgId}/groups`;
      const page = await session.call<Page<Project>>('GET', path, {
        version: FIRST_VERSION,
        query: pageQuery(options),
      });
      print(session.output, page, () =>
        table(
          ['ID', 'NAME'],
          page.results.map(({ id, name }) => [id, name]),
        ),
      );
    });
}
