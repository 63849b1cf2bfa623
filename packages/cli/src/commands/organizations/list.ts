import type { Page } from '@linkspan/contract/api/common.ts';
import type { Organization } from '@linkspan/contract/api/organizations.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';

/** `organizations list` */
export function addOrganizationsList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'))
    .description('List the organizations that the API key belongs to.')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const page = await session.call<Page<Organization>>('GET', `${ATLAS_V2}/orgs`, {
        version: FIRST_VERSION,
        query: pageQuery(options),
      });
      print(session.output, page, () =>
        table(
          ['NAME', 'ID'],
          page.results.map(({ name, id }) => [name, id]),
        ),
      );
    });
}
