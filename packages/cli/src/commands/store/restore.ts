import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import type { Restored } from '@linkspan/server/store/maintenance/restore.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `store restore`: a backup in the place of the embedded store. */
export function addStoreRestore(parent: Command): void {
  const command = parent
    .command('restore')
    .description('Put a backup in the place of the embedded store; its links wait for an owner.')
    .requiredOption('--from <path>', 'file that `store backup` made')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: { from: string; output?: 'json' } & Record<string, unknown>) => {
      const [{ loadStoreOptions }, { restoreStore }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/restore.ts'),
      ]);
      const result = await restoreStore(flags.from, loadStoreOptions(flags, process.env));
      print(flags.output, result, () => wordsOf(result));
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}

/** What was done, and what is left to be done. */
export function wordsOf({ backedUpAt, suspendedLinks }: Restored): string[] {
  return [
    backedUpAt === null
      ? 'The store is taken for one that was restored.'
      : `The store is as it was on ${backedUpAt}.`,
    suspendedLinks === 0
      ? 'It has no organization link.'
      : `Links that are suspended until an owner confirms them: ${suspendedLinks}. After the server has started, each owner calls \`linkspan liveMigrations link confirm\`, or removes the link.`,
    'What was changed after the backup is not known to it: keys that were deleted are valid again, links that were removed are back. Look at both first.',
  ];
}
