import type { LiveMigrationValidation } from '@linkspan/contract/api/liveMigrations.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { validationTable } from './create.ts';

/** `liveMigrations validation describe` */
export function addValidationDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show a validation.')
    .requiredOption('--validationId <id>', 'id of the validation')
    .action(async (options: ClientOptions & { validationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.validationId);
      const path = `${ATLAS_V2}/groups/${session.projectId}/liveMigrations/validate/${id}`;
      const found = await session.call<LiveMigrationValidation>('GET', path, {
        version: FIRST_VERSION,
      });
      print(session.output, found, () => [
        validationTable(found),
        ...(found.errorMessage === null ? [] : [found.errorMessage]),
      ]);
    });
}
