import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';
import { wordsOf } from './restore.ts';

/** `store restored`: what `store restore` does besides, where the database brought the rows back. */
export function addStoreRestored(parent: Command): void {
  const command = parent
    .command('restored')
    .description(
      'Say that the database of the store was restored from a backup; its links wait for an owner.',
    )
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: { output?: 'json' } & Record<string, unknown>) => {
      const [{ loadStoreOptions }, { storeRestored }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/restore.ts'),
      ]);
      const result = await storeRestored(loadStoreOptions(flags, process.env));
      print(flags.output, result, () => wordsOf(result));
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
