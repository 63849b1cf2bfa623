import type { Command } from 'commander';

import { controlCommand } from './control.ts';

/** `liveMigrations move` */
export function addLiveMigrationsMove(parent: Command): void {
  controlCommand(
    parent,
    'move',
    {
      description: 'Give a live migration to another migration host of the link.',
      done: 'Live migration given to another migration host',
    },
    undefined,
    ({ migrationHost }) => ({ body: migrationHost === undefined ? {} : { migrationHost } }),
  ).option(
    '--migrationHost <hostname>',
    'host that takes over; the one with the fewest live migrations if absent',
  );
}
