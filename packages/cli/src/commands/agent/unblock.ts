import { AGENT_ENVIRONMENT_PREFIX, AGENT_OPTIONS } from '@linkspan/agent/config/options.ts';
import type { Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { UnsuccessfulError } from '../../exitCodes.ts';
import { table } from '../../output.ts';

/** `linkspan agent unblock` */
export function addAgentUnblock(parent: Command): void {
  const command = parent
    .command('unblock')
    .description('Let the source take writes again that a cutover of this migration host blocked.')
    .option('--liveMigrationId <id>', 'only the write block of this live migration')
    .addHelpText(
      'after',
      `
It needs the source alone: no server, no link, and no agent that runs. A cutover that is under
way fails; the write block that a COMPLETE live migration leaves is lifted, too.`,
    )
    .action(async () => {
      // Flags that "agent" has, too, are its own wherever they stand.
      const { liveMigrationId, ...flags } = command.optsWithGlobals<Record<string, string>>();
      const [{ loadSources }, { unblockSources }] = await Promise.all([
        import('@linkspan/agent/config/config.ts'),
        import('@linkspan/agent/work/unblock.ts'),
      ]);
      const { options, projects } = loadSources(flags, process.env);
      const results = await unblockSources(options.stateDir, projects, liveMigrationId);
      if (results.length === 0) {
        console.log('No write block of this migration host is recorded.');
        return;
      }
      console.log(
        table(
          ['LIVE MIGRATION', 'DEPLOYMENT', 'SINCE', 'WRITE BLOCK'],
          results.map(({ record, problem }) => [
            record.migrationId,
            record.clusterName,
            record.since,
            problem === null ? 'lifted' : 'not lifted',
          ]),
        ),
      );
      const problems = results.flatMap(({ problem }) => problem ?? []);
      if (problems.length > 0) throw new UnsuccessfulError(problems.join('\n'));
    });
  const { config, stateDir } = AGENT_OPTIONS;
  addDeclaredOptions(command, { config, stateDir }, AGENT_ENVIRONMENT_PREFIX);
}
