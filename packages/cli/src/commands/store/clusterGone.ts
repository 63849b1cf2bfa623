import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `store clusterGone`: what waits for a destination that never answers again comes to an end. */
export function addStoreClusterGone(parent: Command): void {
  const command = parent
    .command('clusterGone')
    .description(
      'Declare a destination cluster gone for good: cancels and removals wait for it no longer, without the proof that nothing is left under way there.',
    )
    .requiredOption('--clusterId <id>', 'as `linkspan clusters list -o json` shows it')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: { clusterId: string; output?: 'json' } & Record<string, unknown>) => {
      const [{ loadStoreOptions }, { declareClusterGone }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/clusterGone.ts'),
      ]);
      const options = loadStoreOptions(flags, process.env);
      const result = await declareClusterGone(options, flags.clusterId);
      const { clusterName, ended, held, kept } = result;
      print(flags.output, result, () => [
        `Push sessions at cluster ${clusterName} that were ended without a proof: ${ended}.`,
        ...(kept === 0 ? [] : [`Canceled live migrations that drop nothing any more: ${kept}.`]),
        ...(held === 0
          ? ['Send the cancel, or the removal of the link-token, again.']
          : [
              `A server node still holds ${held} of them: call this again in a minute, when it has given them up.`,
            ]),
        'Should the cluster come back after all, what was sent to it before may still be carried out there.',
      ]);
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
