import type { LiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { migrationBody, migrationCommand, type MigrationOptions } from '../../migrationOptions.ts';
import { print, table } from '../../output.ts';
import { Session } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `liveMigrations create` */
export function addLiveMigrationsCreate(parent: Command): void {
  migrationCommand(parent.command('create'))
    .description('Start a live migration from a source to a destination cluster.')
    .action(async (options: MigrationOptions) => {
      await using session = new Session(options);
      const body = await migrationBody(options, session.projectId);
      if (body.dropDestinationData === true && options.force !== true) {
        const question = `Everything that the cluster ${options.clusterName} holds will be dropped. Go on?`;
        if (!(await confirm(question))) {
          console.log('Live migration not started');
          return;
        }
      }
      const path = `${ATLAS_V2}/groups/${session.projectId}/liveMigrations`;
      const request = { version: LIVE_MIGRATION_VERSION, body };
      const created = await session.call<LiveMigration>('POST', path, request);
      print(session.output, created, () => migrationTable([created]));
    });
}

/** The columns that people know. */
export function migrationTable(migrations: readonly LiveMigration[]): string {
  return table(
    ['ID', 'LAGTIME', 'READY FOR CUTOVER', 'STATUS'],
    migrations.map(({ _id, lagTimeSeconds, readyForCutover, status }) => [
      _id,
      lagTimeSeconds,
      readyForCutover,
      status,
    ]),
  );
}
