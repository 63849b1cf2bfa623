import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';
import { confirm } from '../../terminal.ts';

/** `clusters delete`: forgets the registration; the cluster and its data are not touched. */
export function addClustersDelete(parent: Command): void {
  clientCommand(parent.command('delete').alias('rm'), 'project')
    .description('Forget a destination cluster. Its data is not touched.')
    .argument('<name>', 'name of the cluster')
    .option('--force', 'do not ask')
    .action(async (name: string, options: ClientOptions & { force?: true }) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters/${encodeURIComponent(name)}`;
      const sure = options.force === true || (await confirm(`Forget the cluster ${name}?`));
      if (!sure) {
        console.log('Cluster not deleted');
        return;
      }
      await session.call('DELETE', path);
      print(session.output, {}, () => `Cluster '${name}' deleted`);
    });
}
