import { Empty } from '@linkspan/contract/api/common.ts';
import { CancelLiveMigration, MoveLiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import { move } from '../operations/hostMoves.ts';
import type { LiveMigrationControl } from '../operations/liveMigrationControl.ts';

/** Linkspan's own: Atlas has no way to pause or cancel a live migration. */
export function liveMigrationControlEndpoints(
  context: OperationContext,
  control: LiveMigrationControl,
): Endpoint[] {
  const common = {
    tag: 'Live migrations',
    api: 'linkspan',
    scope: 'group',
    limits: RATE_LIMITS.project,
    method: 'POST',
    role: 'ORG_OWNER',
    status: 202,
    versions: [{ date: FIRST_VERSION, response: Empty }],
  } as const;
  const path = '/groups/{groupId}/liveMigrations/{liveMigrationId}';
  return [
    operation({
      ...common,
      operationId: 'pauseLiveMigration',
      summary: 'Pause a live migration',
      path: `${path}/pause`,
      handle: async ({ principal, params }) => {
        await control.pause(principal, params.groupId, params.liveMigrationId);
        return { body: {} };
      },
    }),
    operation({
      ...common,
      operationId: 'resumeLiveMigration',
      summary: 'Let a paused live migration go on',
      path: `${path}/resume`,
      handle: async ({ principal, params }) => {
        await control.resume(principal, params.groupId, params.liveMigrationId);
        return { body: {} };
      },
    }),
    operation({
      ...common,
      operationId: 'moveLiveMigration',
      summary: 'Give a live migration to another migration host of the link',
      path: `${path}/move`,
      versions: [
        { date: FIRST_VERSION, body: MoveLiveMigration, bodyOptional: true, response: Empty },
      ],
      handle: async ({ principal, params, body }) => {
        await move(context, principal, params.groupId, params.liveMigrationId, body);
        return { body: {} };
      },
    }),
    operation({
      ...common,
      operationId: 'cancelLiveMigration',
      summary: 'End a live migration before its cutover',
      path: `${path}/cancel`,
      versions: [
        { date: FIRST_VERSION, body: CancelLiveMigration, bodyOptional: true, response: Empty },
      ],
      handle: async ({ principal, params, body }) => {
        await control.cancel(principal, params.groupId, params.liveMigrationId, body);
        return { body: {} };
      },
    }),
  ];
}
