import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';
import type { Command } from 'commander';

import { UnsuccessfulError } from '../../exitCodes.ts';
import { print } from '../../output.ts';
import { poll } from '../../poll.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { verificationLines } from '../../verificationView.ts';

interface AgainOptions extends ClientOptions {
  readonly liveMigrationId: string;
  readonly watch?: true;
}

/** `liveMigrations verify` and `liveMigrations repair`: everything is compared again. */
export function addLiveMigrationsVerify(parent: Command): void {
  compareAgain(
    parent,
    'verify',
    'Compare everything again with the destination; push what differs.',
  );
}

export function addLiveMigrationsRepair(parent: Command): void {
  compareAgain(
    parent,
    'repair',
    'The same after a loss or a doubt: until it is done no cutover is offered.',
  );
}

function compareAgain(parent: Command, verb: 'verify' | 'repair', description: string): void {
  clientCommand(parent.command(verb), 'project')
    .description(description)
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .option('-w, --watch', 'wait until it is done; exit code 4 if the migration ends before')
    .action(async (options: AgainOptions) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}`;
      const ask = () => session.call<Verification>('GET', `${path}/verification`);
      const before = await ask();
      await session.call('POST', `${path}/${verb}`);
      if (options.watch !== true) {
        print(session.output, {}, () => 'Comparison with the destination requested');
        return;
      }
      const done = await poll(async () => {
        const report = await ask();
        if (report.complete && report.begun !== before.begun) return report;
        const { status } = await session.call<{ status: string }>('GET', path);
        if (status === 'NEW' || status === 'WORKING') return undefined;
        throw new UnsuccessfulError(`the live migration is ${status}`);
      });
      print(session.output, done, () => verificationLines(done));
    });
}
