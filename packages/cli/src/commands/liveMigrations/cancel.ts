import type { Command } from 'commander';

import { confirm } from '../../terminal.ts';
import { controlCommand } from './control.ts';

/** `liveMigrations cancel`: asks first. */
export function addLiveMigrationsCancel(parent: Command): void {
  const question = 'It ends as FAILED and cannot go on. What was copied stays. Cancel it?';
  controlCommand(
    parent,
    'cancel',
    {
      description: 'End a live migration before its cutover. What was copied stays.',
      done: 'Live migration canceled',
    },
    async ({ force }) => force === true || (await confirm(question)),
  ).option('--force', 'do not ask');
}
