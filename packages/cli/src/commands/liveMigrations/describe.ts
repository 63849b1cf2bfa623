import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Command } from 'commander';

import { detailLines } from '../../detailView.ts';
import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { verificationSummary } from '../../verificationView.ts';
import { migrationTable } from './create.ts';

/** `liveMigrations describe`: the table that people know, and below it what Linkspan knows more. */
export function addLiveMigrationsDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show a live migration.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .action(async (options: ClientOptions & { liveMigrationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}`;
      const found = await session.call<LiveMigrationDetail>('GET', path);
      const verification = await session.call<Verification>('GET', `${path}/verification`);
      print(session.output, found, () => [
        migrationTable([found]),
        '',
        ...detailLines(found),
        ...verificationSummary(verification),
      ]);
    });
}
