import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UnsuccessfulError } from '../../exitCodes.ts';
import { print } from '../../output.ts';
import { poll } from '../../poll.ts';
import { progressBar, progressLine } from '../../progressView.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface WatchOptions extends ClientOptions {
  readonly liveMigrationId: string;
  readonly untilReady?: true;
}

/** `liveMigrations watch`: a progress bar on a terminal, a line for each change elsewhere. */
export function addLiveMigrationsWatch(parent: Command): void {
  clientCommand(parent.command('watch'), 'project')
    .description('Watch a live migration to its end. Exit code 4 if it fails.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .option('--untilReady', 'end as soon as it is ready for cutover')
    .action(async (options: WatchOptions) => {
      await using session = new Session(options);
      const id = encodeURIComponent(options.liveMigrationId);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}`;
      const view = process.stderr.isTTY ? new Bar() : new Lines();
      const watched = poll(async () => {
        const migration = await session.call<LiveMigrationDetail>('GET', path);
        view.show(migration);
        const ended = ['COMPLETE', 'FAILED', 'EXPIRED'].includes(migration.status);
        const ready = options.untilReady === true && migration.readyForCutover;
        return ended || ready ? migration : undefined;
      });
      const last = await watched.finally(() => view.end());
      if (last.status === 'FAILED' || last.status === 'EXPIRED') {
        if (session.output === 'json') print('json', last, () => '');
        throw new UnsuccessfulError(
          `${last.status}: ${last.failureReason ?? 'no reason is known'}`,
        );
      }
      print(session.output, last, () =>
        last.verified === null
          ? `${last.status}${last.readyForCutover ? ', ready for cutover' : ''}`
          : `${last.status}: ${last.verified.documents} documents in ${last.verified.collections} collections verified`,
      );
    });
}

interface View {
  show(migration: LiveMigrationDetail): void;
  end(): void;
}

class Bar implements View {
  show(migration: LiveMigrationDetail): void {
    process.stderr.write(`\r\u001b[K${progressBar(migration, process.stderr.columns)}`);
  }

  end(): void {
    process.stderr.write('\n');
  }
}

class Lines implements View {
  #last = '';

  show(migration: LiveMigrationDetail): void {
    const { cutover } = migration;
    const failed = cutover.failure === null ? '' : `  last cutover failed: ${cutover.failure}`;
    const line = progressLine(migration) + failed;
    if (line !== this.#last) console.error(line);
    this.#last = line;
  }

  end(): void {
    this.#last = '';
  }
}
