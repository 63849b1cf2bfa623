import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `organizations apiKeys delete` */
export function addApiKeysDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'), 'organization')
    .description('Remove an API key. That of the organization link removes the link with it.')
    .argument('<id>', 'id of the key')
    .option('--force', 'do not ask')
    .action(async (id: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const sure = options.force === true || (await confirm(`Delete the API key ${id}?`));
      if (!sure) {
        console.log('API Key not deleted');
        return;
      }
      const path = `${ATLAS_V2}/orgs/${session.orgId}/apiKeys/${encodeURIComponent(id)}`;
      await session.call('DELETE', path, { version: FIRST_VERSION });
      print(session.output, {}, () => `API Key '${id}' deleted`);
    });
}
