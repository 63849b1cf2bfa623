import type { ApiKey } from '@linkspan/contract/api/apiKeys.ts';
import type { Page } from '@linkspan/contract/api/common.ts';
import { ATLAS_V2, FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';

/** `organizations apiKeys list` */
export function addApiKeysList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'), 'organization')
    .description('List the API keys of an organization.')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const path = `${ATLAS_V2}/orgs/${session.orgId}/apiKeys`;
      const page = await session.call<Page<ApiKey>>('GET', path, {
        version: FIRST_VERSION,
        query: pageQuery(options),
      });
      print(session.output, page, () =>
        table(
          ['ID', 'DESCRIPTION', 'PUBLIC KEY', 'PRIVATE KEY'],
          page.results.map(({ id, desc, publicKey, privateKey }) => [
            id,
            desc,
            publicKey,
            privateKey,
          ]),
        ),
      );
    });
}
