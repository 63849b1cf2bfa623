import type {
  LiveMigrationValidation,
  LiveMigrationValidationDetail,
} from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, LINKSPAN_V1, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UnsuccessfulError } from '../../exitCodes.ts';
import {
  migrationBody,
  migrationCommand,
  type MigrationOptions,
  type OwnOptions,
} from '../../migrationOptions.ts';
import { namespaceOptions, type NamespaceOptions, namespacesOf } from '../../namespaceOptions.ts';
import { print } from '../../output.ts';
import { poll } from '../../poll.ts';
import { Session } from '../../session.ts';
import { validationLines, validationTable } from '../../validationView.ts';

type ValidationOptions = MigrationOptions &
  NamespaceOptions &
  Pick<OwnOptions, 'blockSourceWrites'> & { readonly watch?: true };

/** `liveMigrations validation create` */
export function addValidationCreate(parent: Command): void {
  namespaceOptions(migrationCommand(parent.command('create')))
    .description('Check whether a live migration can be made, without making it.')
    .option('--blockSourceWrites', 'the cutover would block the writes of the source')
    .option('-w, --watch', 'wait for the result; exit code 4 if it failed')
    .action(async (options: ValidationOptions) => {
      await using session = new Session(options);
      const { projectId } = session;
      const body = await migrationBody(options, projectId);
      const namespaces = namespacesOf(options);
      const own = {
        ...(options.blockSourceWrites === true ? { blockSourceWrites: true } : {}),
        ...(namespaces === undefined ? {} : { namespaces }),
      };
      const path = `/groups/${projectId}/liveMigrations/validate`;
      // What Atlas has a field for goes the way of Atlas.
      const created =
        Object.keys(own).length === 0 && body.migrationHosts?.length === 1
          ? await session.call<LiveMigrationValidation>('POST', ATLAS_V2 + path, {
              version: LIVE_MIGRATION_VERSION,
              body,
            })
          : await session.call<LiveMigrationValidationDetail>('POST', LINKSPAN_V1 + path, {
              body: { ...body, ...own },
            });
      if (options.watch !== true) {
        print(session.output, created, () => validationTable(created));
        return;
      }
      const detailPath = `${LINKSPAN_V1}/groups/${projectId}/liveMigrations/validate/${created._id}`;
      const settled = await poll(async () => {
        const detail = await session.call<LiveMigrationValidationDetail>('GET', detailPath);
        return detail.status === 'PENDING' ? undefined : detail;
      });
      print(session.output, settled, () => validationLines(settled));
      if (settled.status === 'FAILED') throw new UnsuccessfulError('the validation failed');
    });
}
