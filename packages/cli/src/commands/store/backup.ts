import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `store backup`: of the embedded store, also while a server runs on it. */
export function addStoreBackup(parent: Command): void {
  const command = parent
    .command('backup')
    .description('Back the embedded store up into a new file, also while the server runs.')
    .requiredOption('--to <path>', 'file to make')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: { to: string; output?: 'json' } & Record<string, unknown>) => {
      const [{ loadStoreOptions }, { backUpStore }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/backup.ts'),
      ]);
      const result = await backUpStore(loadStoreOptions(flags, process.env), flags.to);
      print(flags.output, result, () => [
        `Backed up to ${result.path}${result.byServer ? ', by the server that runs' : ''}.`,
        'Keep the master key apart from it: without the key its secrets cannot be read.',
      ]);
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
