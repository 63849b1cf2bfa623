import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `secrets rotate`: another master key, and every secret sealed again under it. */
export function addSecretsRotate(parent: Command): void {
  const command = parent
    .command('rotate')
    .description('Seal every secret of the store again under another master key.')
    .addHelpText(
      'after',
      `
The embedded store, with its server stopped: a new key is written into the key's file, after the
old one, and the store changes to it. On PostgreSQL, or where the key is no file: write the new
key in a line after the old one for every node, start each again, rotate, start each again, and
rotate once more for what was sealed meanwhile. A node that runs and does not know the new key is
named, and nothing is changed.`,
    )
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: Record<string, unknown>) => {
      const [{ loadStoreOptions }, { rotateMasterKey }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/rotate.ts'),
      ]);
      const result = await rotateMasterKey(loadStoreOptions(flags, process.env));
      const { masterKeyId, previousMasterKeyId, sealedAgain } = result;
      print(flags['output'] === 'json' ? 'json' : undefined, result, () =>
        masterKeyId === previousMasterKeyId
          ? `The store is under the master key ${masterKeyId} already; values that were left under another one and are sealed again: ${sealedAgain}.`
          : `The store is under the master key ${masterKeyId} now; values that are sealed again: ${sealedAgain}. Keep the key before, ${previousMasterKeyId}, for as long as a backup needs it.`,
      );
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
