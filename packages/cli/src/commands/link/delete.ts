import type { OrganizationLink } from '@linkspan/contract/api/linkTokens.ts';
import { ATLAS_V2, FIRST_VERSION, LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `liveMigrations link delete`: asks first, naming what will fail. */
export function addLinkDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'), 'organization')
    .description('Remove the link-token, the organization link and its API key.')
    .option('--force', 'do not ask')
    .action(async (options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      if (options.force !== true && !(await confirmImpact(session))) {
        console.log('Link-token not deleted');
        return;
      }
      const path = `${ATLAS_V2}/orgs/${session.orgId}/liveMigrations/linkTokens`;
      await session.call('DELETE', path, { version: FIRST_VERSION });
      print(session.output, {}, () => 'Link-token deleted');
    });
}

async function confirmImpact(session: Session): Promise<boolean> {
  const path = `${LINKSPAN_V1}/orgs/${session.orgId}/liveMigrations/link`;
  const { impact } = await session.call<OrganizationLink>('GET', path);
  const names = new Map(impact.projects.map(({ id, name }) => [id, name]));
  const failing = impact.liveMigrations.map(
    ({ id, groupId, status }) => `  ${id} (${status}) in project ${names.get(groupId) ?? groupId}`,
  );
  const warning =
    failing.length === 0
      ? 'No live migration is active.'
      : `These live migrations will fail:\n${failing.join('\n')}`;
  return await confirm(`${warning}\nRemove the link-token, its API key and the link?`);
}
