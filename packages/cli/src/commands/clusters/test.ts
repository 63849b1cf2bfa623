import type { ConnectionTestResult } from '@linkspan/contract/api/clusters.ts';
import { LINKSPAN_V1 } from '@linkspan/contract/api/versions.ts';
import type { Command } from 'commander';

import { UnsuccessfulError } from '../../exitCodes.ts';
import { print } from '../../output.ts';
import { clientCommand, Session, type ClientOptions } from '../../session.ts';

/** `clusters test`: has the server connect to a destination cluster. */
export function addClustersTest(parent: Command): void {
  clientCommand(parent.command('test'), 'project')
    .description('Have the server connect to a destination cluster. Exit code 4 if it cannot.')
    .argument('<name>', 'name of the cluster')
    .action(async (name: string, options: ClientOptions) => {
      await using session = new Session(options);
      const path = `${LINKSPAN_V1}/groups/${session.projectId}/clusters/${encodeURIComponent(name)}/connectionTest`;
      const result = await session.call<ConnectionTestResult>('POST', path);
      if (result.ok) {
        const { mongoDBVersion, topology } = result;
        print(session.output, result, () => `Connected: MongoDB ${mongoDBVersion}, ${topology}`);
        return;
      }
      if (session.output === 'json') print('json', result, () => '');
      throw new UnsuccessfulError(`${result.code}: ${result.message}`);
    });
}
