import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { verificationLines } from '../../verificationView.ts';

/** `liveMigrations verification describe` */
export function addVerificationDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'project')
    .description('Show what of a live migration is verified, and what was found.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .action(async (options: ClientOptions & { liveMigrationId: string }) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}/verification`;
      const found = await session.call<Verification>('GET', path);
      print(session.output, found, () => verificationLines(found));
    });
}
