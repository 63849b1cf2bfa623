import { Option, type Command } from 'commander';

import { print, table } from '../../output.ts';
import { readProfiles } from '../../profiles.ts';

/** `config list`: the profiles, with their private keys masked. */
export function addConfigList(parent: Command): void {
  parent
    .command('list')
    .alias('ls')
    .description('List the profiles of the configuration file.')
    .addOption(new Option('-o, --output <format>', 'how to print the answer').choices(['json']))
    .action((options: { output?: 'json' }) => {
      const profiles = Object.entries(readProfiles()).map(([name, profile]) => ({
        name,
        ...profile,
        privateKey: profile.privateKey === undefined ? undefined : mask(profile.privateKey),
      }));
      print(options.output, profiles, () =>
        table(
          ['NAME', 'BASE URL', 'PUBLIC KEY', 'ORG ID', 'PROJECT ID'],
          profiles.map(({ name, baseUrl, publicKey, orgId, projectId }) => [
            name,
            baseUrl ?? null,
            publicKey ?? null,
            orgId ?? null,
            projectId ?? null,
          ]),
        ),
      );
    });
}

function mask(privateKey: string): string {
  return `********-****-****-${privateKey.slice(-12)}`;
}
