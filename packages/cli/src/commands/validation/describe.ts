import type { LiveMigrationValidationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { validationLines } from '../../validationView.ts';

/** `liveMigrations validation describe` */
export function addValidationDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show a validation: what was found, what to do, what the migration would take.')
    .requiredOption('--validationId <id>', 'id of the validation')
    .action(async (options: ClientOptions & { validationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.validationId);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/validate/${id}`;
      const found = await session.call<LiveMigrationValidationDetail>('GET', path);
      print(session.output, found, () => validationLines(found));
    });
}
