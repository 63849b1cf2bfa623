import type { Page } from '@linkspan/contract/api/common.ts';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';
import { migrationTable } from './create.ts';

/** `liveMigrations list` */
export function addLiveMigrationsList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'), 'project')
    .description('List the live migrations of a project.')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations`;
      const query = pageQuery(options);
      const page = await session.call<Page<LiveMigrationDetail>>('GET', path, { query });
      print(session.output, page, () => migrationTable(page.results));
    });
}
