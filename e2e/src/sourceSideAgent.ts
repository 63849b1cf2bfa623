import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type DestinationSide } from '@linkspan/testkit/destinationSide.ts';
import {
  MIGRATION_HOST,
  SOURCE_DEPLOYMENT,
  SOURCE_PROJECT,
} from '@linkspan/testkit/migrationCalls.ts';
import { type LinkspanProcess, startAgent } from '@linkspan/testkit/processes.ts';

/** The organization of the source side, and the key of the admin port. */
export const SOURCE_ORG = '5f00000000000000000000aa';
export const ADMIN_KEY = {
  publicKey: 'opsmngrx',
  privateKey: 'b3a9e7f0-1111-4222-8333-444455556666',
};

/** An agent that waits to be linked through its admin port; `ready` tells the port as `adminUrl`. */
export async function startUnlinkedAgent(side: DestinationSide): Promise<LinkspanProcess> {
  const config = join(side.directory, 'agent.yaml');
  const deployments = [{ name: SOURCE_DEPLOYMENT, uri: side.source.uri }];
  const projects = [{ id: SOURCE_PROJECT, name: 'Tests', deployments }];
  const admin = { adminPort: 0, adminOrgId: SOURCE_ORG, adminPublicKey: ADMIN_KEY.publicKey };
  await writeFile(config, JSON.stringify({ hostname: MIGRATION_HOST, projects, ...admin }));
  return startAgent({
    args: ['--config', config, '--state-dir', join(side.directory, 'agent')],
    env: { LINKSPAN_AGENT_ADMIN_PRIVATE_KEY: ADMIN_KEY.privateKey },
  });
}
