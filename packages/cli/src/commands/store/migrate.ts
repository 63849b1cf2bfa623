import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `store migrate`: the tables of the next version, before its first node starts. */
export function addStoreMigrate(parent: Command): void {
  const command = parent
    .command('migrate')
    .description('Bring the tables up to date, as a server does when it starts.')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: Record<string, unknown>) => {
      const [{ loadStoreOptions }, { migrateStore }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/status.ts'),
      ]);
      const result = await migrateStore(loadStoreOptions(flags, process.env));
      const { from, to } = result;
      print(flags['output'] === 'json' ? 'json' : undefined, result, () =>
        from === to
          ? `The tables have version ${to} already.`
          : `The tables had version ${from} and have version ${to}.`,
      );
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
