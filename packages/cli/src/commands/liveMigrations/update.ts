import type {
  LiveMigrationDetail,
  UpdateLiveMigration,
} from '@linkspan/contract/api/liveMigrations.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { detailLines } from '../../detailView.ts';
import { UsageError } from '../../exitCodes.ts';
import {
  limitOptions,
  type LimitOptions,
  throttleOf,
  wholeNumber,
} from '../../migrationOptions.ts';
import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { migrationTable } from './create.ts';

interface UpdateOptions extends ClientOptions, LimitOptions {
  readonly liveMigrationId: string;
  readonly extendWindowHours?: string;
}

/** `liveMigrations update`: what may be changed while it runs. */
export function addLiveMigrationsUpdate(parent: Command): void {
  const command = clientCommand(parent.command('update'), 'project')
    .description('Change the throttle of a live migration, or extend its window, while it runs.')
    .requiredOption('--liveMigrationId <id>', 'id of the live migration')
    .option('--extendWindowHours <hours>', 'hours by which its window ends later');
  limitOptions(command, '; 0 for no limit').action(async (options: UpdateOptions) => {
    await using session = new Session(options);
    const id = encodeURIComponent(options.liveMigrationId);
    const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}`;
    const throttle = throttleOf(options);
    const { extendWindowHours } = options;
    const more =
      extendWindowHours === undefined ? 0 : wholeNumber('--extendWindowHours', extendWindowHours);
    if (throttle === undefined && more === 0) {
      throw new UsageError(
        'give what to change: --maxBytesPerSecond, --maxDocumentsPerSecond or --extendWindowHours',
      );
    }
    const body: UpdateLiveMigration = {
      ...(throttle === undefined ? {} : { throttle }),
      ...(more === 0 ? {} : { windowHours: more + (await hoursNow(session, path)) }),
    };
    const changed = await session.call<LiveMigrationDetail>('PATCH', path, { body });
    print(session.output, changed, () => [migrationTable([changed]), '', ...detailLines(changed)]);
  });
}

async function hoursNow(session: Session, path: string): Promise<number> {
  return (await session.call<LiveMigrationDetail>('GET', path)).windowHours;
}
