import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print, table } from '../../output.ts';

/** `store status`: what a store holds, and what its database promises. */
export function addStoreStatus(parent: Command): void {
  const command = parent
    .command('status')
    .description('Show the version of the tables, their rows, and how durable commits are.')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (flags: Record<string, unknown>) => {
      const [{ loadStoreOptions }, { storeStatus }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/store/maintenance/status.ts'),
      ]);
      const status = await storeStatus(loadStoreOptions(flags, process.env));
      const { durability, knownVersion, masterKeyId, rows, schemaVersion, sealed, store } = status;
      print(flags['output'] === 'json' ? 'json' : undefined, status, () => [
        `Store: ${store}`,
        `Schema version: ${schemaVersion} of ${knownVersion}`,
        ...(masterKeyId === null ? [] : [`Master key: ${masterKeyId}`]),
        ...Object.entries(sealed).map(([id, count]) => `Sealed under ${id}: ${count}`),
        ...Object.entries(durability.settings).map(([name, value]) => `${name}: ${value}`),
        ...durability.faults.map((fault) => `A server would not start: ${fault}`),
        ...durability.warnings.map((warning) => `Warning: ${warning}`),
        table(['TABLE', 'ROWS'], Object.entries(rows)),
      ]);
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
