import type { Endpoint } from '../http/endpoint.ts';
import type { OperationContext } from '../operations/context.ts';
import type { HostRemoval } from '../operations/hostRemoval.ts';
import type { LinkRemoval } from '../operations/linkRemoval.ts';
import type { LiveMigrationControl } from '../operations/liveMigrationControl.ts';
import { apiKeyAccessListEndpoints } from './apiKeyAccessLists.ts';
import { apiKeyEndpoints } from './apiKeys.ts';
import { atlasClusterEndpoints } from './atlasClusters.ts';
import { clusterEndpoints } from './clusters.ts';
import { eventEndpoints } from './events.ts';
import { linkTokenEndpoints } from './linkTokens.ts';
import { liveMigrationControlEndpoints } from './liveMigrationControl.ts';
import { liveMigrationVerificationEndpoints } from './liveMigrationVerification.ts';
import { liveMigrationEndpoints } from './liveMigrations.ts';
import { organizationEndpoints } from './organizations.ts';
import { organizationSettingsEndpoints } from './organizationSettings.ts';
import { projectEndpoints } from './projects.ts';
import { systemStatusEndpoints } from './systemStatus.ts';
import { serviceAccountAccessListEndpoints } from './serviceAccountAccessLists.ts';
import { serviceAccountEndpoints } from './serviceAccounts.ts';

/** Every operation of the API. */
export function allEndpoints(
  context: OperationContext,
  removal: LinkRemoval,
  control: LiveMigrationControl,
  hostRemoval: HostRemoval,
): Endpoint[] {
  return [
    ...systemStatusEndpoints(context),
    ...organizationEndpoints(context),
    ...organizationSettingsEndpoints(context),
    ...projectEndpoints(context),
    ...apiKeyEndpoints(context, removal),
    ...apiKeyAccessListEndpoints(context),
    ...serviceAccountEndpoints(context),
    ...serviceAccountAccessListEndpoints(context),
    ...atlasClusterEndpoints(context),
    ...clusterEndpoints(context),
    ...eventEndpoints(context),
    ...linkTokenEndpoints(context, removal, hostRemoval),
    ...liveMigrationEndpoints(context),
    ...liveMigrationControlEndpoints(context, control),
    ...liveMigrationVerificationEndpoints(context),
  ];
}
