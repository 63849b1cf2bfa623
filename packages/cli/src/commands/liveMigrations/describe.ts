import type { LiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { migrationTable } from './create.ts';

/** `liveMigrations describe` */
export function addLiveMigrationsDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show a live migration.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .action(async (options: ClientOptions & { liveMigrationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${ATLAS_V2}/groups/${session.projectId}/liveMigrations/${id}`;
      const found = await session.call<LiveMigration>('GET', path, { version: FIRST_VERSION });
      print(session.output, found, () => migrationTable([found]));
    });
}
