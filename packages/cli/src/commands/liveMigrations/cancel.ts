import type { CancelLiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import type { Command } from 'commander';

import { confirm } from '../../terminal.ts';
import { controlCommand } from './control.ts';

/** `liveMigrations cancel`: asks first. */
export function addLiveMigrationsCancel(parent: Command): void {
  const kept = 'It ends as FAILED and cannot go on. What was copied stays. Cancel it?';
  const dropped =
    'It ends as FAILED and cannot go on. Every collection and view that it made at the destination is dropped. Cancel it?';
  controlCommand(
    parent,
    'cancel',
    {
      description:
        'End a live migration before its cutover. What was copied stays, unless --dropCopied is given.',
      done: 'Live migration canceled',
    },
    async ({ force, dropCopied }) =>
      force === true || (await confirm(dropCopied === true ? dropped : kept)),
    ({ dropCopied }) =>
      dropCopied === true ? { body: { dropCopied } satisfies CancelLiveMigration } : {},
  )
    .option('--dropCopied', 'drop every collection and view that the migration made')
    .option('--force', 'do not ask');
}
