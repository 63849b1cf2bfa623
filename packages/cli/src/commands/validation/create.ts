import type {
  LiveMigrationValidation,
  LiveMigrationValidationDetail,
} from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, LINKSPAN_V1, LIVE_MIGRATION_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UnsuccessfulError } from '../../exitCodes.ts';
import { migrationBody, migrationCommand, type MigrationOptions } from '../../migrationOptions.ts';
import { print } from '../../output.ts';
import { poll } from '../../poll.ts';
import { Session } from '../../session.ts';
import { validationLines, validationTable } from '../../validationView.ts';

/** `liveMigrations validation create` */
export function addValidationCreate(parent: Command): void {
  migrationCommand(parent.command('create'))
    .description('Check whether a live migration can be made, without making it.')
    .option('-w, --watch', 'wait for the result; exit code 4 if it failed')
    .action(async (options: MigrationOptions & { watch?: true }) => {
      await using session = new Session(options);
      const { projectId } = session;
      const body = await migrationBody(options, projectId);
      const path = `${ATLAS_V2}/groups/${projectId}/liveMigrations/validate`;
      const request = { version: LIVE_MIGRATION_VERSION, body };
      const created = await session.call<LiveMigrationValidation>('POST', path, request);
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
