import type { LiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, LINKSPAN_V1, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import {
  limitOptions,
  migrationBody,
  migrationCommand,
  type MigrationOptions,
  type OwnOptions,
  throttleOf,
} from '../../migrationOptions.ts';
import { namespaceOptions, type NamespaceOptions, namespacesOf } from '../../namespaceOptions.ts';
import { print, table } from '../../output.ts';
import { Session } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `liveMigrations create` */
export function addLiveMigrationsCreate(parent: Command): void {
  const command = migrationCommand(parent.command('create'));
  namespaceOptions(limitOptions(command, ''))
    .option(
      '--blockSourceWrites',
      'let the cutover block the writes of the source, where agent.yaml allows it',
    )
    .option('--verification <what>', 'what the cutover compares: CHANGED (default) or FULL')
    .description('Start a live migration from a source to a destination cluster.')
    .action(async (options: MigrationOptions & NamespaceOptions & OwnOptions) => {
      await using session = new Session(options);
      const namespaces = namespacesOf(options);
      const throttle = throttleOf(options);
      const own = {
        ...(options.blockSourceWrites === true ? { blockSourceWrites: true } : {}),
        ...(namespaces === undefined ? {} : { namespaces }),
        ...(throttle === undefined ? {} : { throttle }),
        ...(options.verification === undefined ? {} : { verification: options.verification }),
      };
      const body = await migrationBody(options, session.projectId);
      if (body.dropDestinationData === true && options.force !== true) {
        const question = `Everything that the cluster ${options.clusterName} holds will be dropped. Go on?`;
        if (!(await confirm(question))) {
          console.log('Live migration not started');
          return;
        }
      }
      const path = `/groups/${session.projectId}/liveMigrations`;
      // What Atlas has a field for goes the way of Atlas.
      const created =
        Object.keys(own).length === 0 && body.migrationHosts?.length === 1
          ? await session.call<LiveMigration>('POST', ATLAS_V2 + path, {
              version: LIVE_MIGRATION_VERSION,
              body,
            })
          : await session.call<LiveMigration>('POST', LINKSPAN_V1 + path, {
              body: { ...body, ...own },
            });
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
