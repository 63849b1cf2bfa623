import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `organizations unlock`: straight in the store, for an owner who is locked out. */
export function addOrganizationsUnlock(parent: Command): void {
  const command = parent
    .command('unlock')
    .description(
      'Let credentials without an access list in again, straight in the store, while no server runs.',
    )
    .argument('<orgId>', 'id of the organization')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (orgId: string, flags: Record<string, unknown>) => {
      const [{ loadStoreOptions }, { unlockOrganization }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/unlock.ts'),
      ]);
      const result = await unlockOrganization(loadStoreOptions(flags, process.env), orgId);
      print(flags['output'] === 'json' ? 'json' : undefined, result, () =>
        result.changed
          ? `Organization '${result.name}' does not demand access lists any more.`
          : `Organization '${result.name}' did not demand access lists: nothing was changed.`,
      );
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
