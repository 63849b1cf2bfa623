import type { Endpoint } from '../http/endpoint.ts';
import type { OperationContext } from '../operations/context.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';
import type { LiveMigrationControl } from '../operations/liveMigrationControl.ts';
import { apiKeyAccessListEndpoints } from './apiKeyAccessLists.ts';
import { apiKeyEndpoints } from './apiKeys.ts';
import { atlasClusterEndpoints } from './atlasClusters.ts';
import { clusterEndpoints } from './clusters.ts';
import { linkTokenEndpoints } from './linkTokens.ts';
import { liveMigrationControlEndpoints } from './liveMigrationControl.ts';
import { liveMigrationEndpoints } from './liveMigrations.ts';
import { organizationEndpoints } from './organizations.ts';
import { projectEndpoints } from './projects.ts';

/** Every operation of the API. */
export function allEndpoints(
  context: OperationContext,
  removal: LinkRemoval,
  control: LiveMigrationControl,
): Endpoint[] {
  return [
    ...organizationEndpoints(context),
    ...projectEndpoints(context),
    ...apiKeyEndpoints(context, removal),
    ...apiKeyAccessListEndpoints(context),
    ...atlasClusterEndpoints(context),
    ...clusterEndpoints(context),
    ...linkTokenEndpoints(context, removal),
    ...liveMigrationEndpoints(context),
    ...liveMigrationControlEndpoints(control),
  ];
}
