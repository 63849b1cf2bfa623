import type { Command } from 'commander';

import { controlCommand } from './control.ts';

/** `liveMigrations pause` */
export function addLiveMigrationsPause(parent: Command): void {
  controlCommand(parent, 'pause', {
    description: 'Pause a live migration. Its host goes on following the source.',
    done: 'Live migration paused',
  });
}
