import type { ApiKey } from '@linkspan/contract/api/apiKeys.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `organizations apiKeys describe` */
export function addApiKeysDescribe(parent: Command): void {
  clientCommand(parent.command('describe'), 'organization')
    .description('Show an API key of an organization.')
    .argument('<id>', 'id of the key')
    .action(async (id: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/apiKeys/${encodeURIComponent(id)}`;
      const key = await session.call<ApiKey>('GET', path, { version: FIRST_VERSION });
      print(session.output, key, () =>
        table(
          ['ID', 'DESCRIPTION', 'PUBLIC KEY', 'PRIVATE KEY', 'ROLES'],
          [[key.id, key.desc, key.publicKey, key.privateKey, roles(key)]],
        ),
      );
    });
}

function roles(key: ApiKey): string {
  return key.roles.map(({ roleName }) => roleName).join(',');
}
