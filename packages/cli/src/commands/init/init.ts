import { SERVER_ENVIRONMENT_PREFIX, STORE_OPTIONS } from '@linkspan/server/config/options.ts';
import { Option, type Command } from 'commander';

import { addDeclaredOptions } from '../../declaredOptions.ts';
import { print } from '../../output.ts';

/** `linkspan init`: the first organization and its owner's key, straight into the store. */
export function addInit(program: Command): void {
  const command = program
    .command('init')
    .description('Make an organization and its first API key (Org Owner), before the server runs.')
    .argument('[orgName]', 'name of the organization', 'Linkspan')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action(async (orgName: string, flags: Record<string, unknown>) => {
      const [{ loadStoreOptions }, { initOrganization }] = await Promise.all([
        import('@linkspan/server/config/storeOptions.ts'),
        import('@linkspan/server/init.ts'),
      ]);
      const result = await initOrganization(loadStoreOptions(flags, process.env), orgName);
      const { organization, apiKey } = result;
      print(flags['output'] === 'json' ? 'json' : undefined, result, () => [
        `Organization '${organization.name}' created: ${organization.id}`,
        `Public API Key  ${apiKey.publicKey}`,
        `Private API Key ${apiKey.privateKey}`,
        'The private key is shown this once. Keep it with `linkspan config init`.',
      ]);
    });
  addDeclaredOptions(command, STORE_OPTIONS, SERVER_ENVIRONMENT_PREFIX);
}
