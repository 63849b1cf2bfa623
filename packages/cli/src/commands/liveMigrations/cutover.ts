import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `liveMigrations cutover` */
export function addLiveMigrationsCutover(parent: Command): void {
  clientCommand(parent.command('cutover'), 'project')
    .description('Cut a live migration over. Stop the writes to the source first.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .action(async (options: ClientOptions & { liveMigrationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${ATLAS_V2}/groups/${session.projectId}/liveMigrations/${id}/cutover`;
      await session.call('PUT', path, { version: FIRST_VERSION });
      print(session.output, {}, () => 'Cutover process successfully started.');
    });
}
