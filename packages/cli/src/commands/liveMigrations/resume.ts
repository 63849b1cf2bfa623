import type { Command } from 'commander';

import { controlCommand } from './control.ts';

/** `liveMigrations resume` */
export function addLiveMigrationsResume(parent: Command): void {
  controlCommand(parent, 'resume', {
    description: 'Let a paused live migration go on from where it stopped.',
    done: 'Live migration resumed',
  });
}
