import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

interface ControlOptions extends ClientOptions {
  readonly liveMigrationId: string;
  readonly force?: true;
  readonly dropCopied?: true;
  readonly migrationHost?: string;
}

/** A verb that asks for one of Linkspan's own operations on a live migration and shows no table. */
export function controlCommand(
  parent: Command,
  verb: 'pause' | 'resume' | 'move' | 'cancel',
  texts: { readonly description: string; readonly done: string },
  isSure: (options: ControlOptions) => Promise<boolean> = async () => true,
  bodyOf: (options: ControlOptions) => { body?: object } = () => ({}),
): Command {
  const command = clientCommand(parent.command(verb), 'project')
    .description(texts.description)
    .requiredOption('--liveMigrationId <id>', 'id of the live migration');
  return command.action(async (options: ControlOptions) => {
    await using session = new Session(options);
    const id = encodeURIComponent(options.liveMigrationId);
    const path = `${LINKSPAN_V1}/groups/${session.projectId}/liveMigrations/${id}/${verb}`;
    if (!(await isSure(options))) {
      console.log('Live migration not changed');
      return;
    }
    await session.call('POST', path, bodyOf(options));
    print(session.output, {}, () => texts.done);
  });
}
