import type { Cluster } from '@linkspan/contract/api/clusters.ts';
import type { Page } from '@linkspan/contract/api/common.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print, table } from '../../output.ts';
import { listCommand, pageQuery, Session, type ListOptions } from '../../session.ts';

/** `clusters list` */
export function addClustersList(parent: Command): void {
  listCommand(parent.command('list').alias('ls'), 'project')
    .description('List the destination clusters of a project.')
    .action(async (options: ListOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters`;
      const page = await session.call<Page<Cluster>>('GET', path, { query: pageQuery(options) });
      print(session.output, page, () =>
        table(
          ['ID', 'NAME', 'MDB VER', 'TOPOLOGY', 'HOSTS'],
          page.results.map(({ id, name, mongoDBVersion, topology, hosts }) => [
            id,
            name,
            mongoDBVersion,
            topology,
            hosts.join(','),
          ]),
        ),
      );
    });
}
