import { Option, type Command } from 'commander';

import { print, table } from '../../output.ts';
import { readProfiles } from '../../profiles.ts';

/** `config list`: the profiles, with their secrets masked. */
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
        privateKey: profile.privateKey === undefined ? undefined : maskKey(profile.privateKey),
        clientSecret:
          profile.clientSecret === undefined ? undefined : maskSecret(profile.clientSecret),
      }));
      print(options.output, profiles, () =>
        table(
          ['NAME', 'BASE URL', 'SIGNS IN AS', 'ORG ID', 'PROJECT ID'],
          profiles.map(({ name, baseUrl, publicKey, clientId, orgId, projectId }) => [
            name,
            baseUrl ?? null,
            clientId ?? publicKey ?? null,
            orgId ?? null,
            projectId ?? null,
          ]),
        ),
      );
    });
}

function maskKey(privateKey: string): string {
  return `********-****-****-${privateKey.slice(-12)}`;
}

function maskSecret(clientSecret: string): string {
  return `mdb_sa_sk_${'*'.repeat(36)}${clientSecret.slice(-4)}`;
}
