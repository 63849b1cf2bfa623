import { Empty } from '@linkspan/contract/api/common.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { Verification } from '@linkspan/contract/push/verification.ts';
import { type Endpoint, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import { compareAgain, verification } from '../operations/liveMigrationVerification.ts';

/** Linkspan's own: Atlas verifies nothing. */
export function liveMigrationVerificationEndpoints(context: OperationContext): Endpoint[] {
  const common = {
    tag: 'Live migrations',
    api: 'linkspan',
    scope: 'group',
    limits: RATE_LIMITS.project,
  } as const;
  const path = '/groups/{groupId}/liveMigrations/{liveMigrationId}';
  const again = (what: 'verify' | 'repair', operationId: string, summary: string): Endpoint =>
    operation({
      ...common,
      operationId,
      summary,
      method: 'POST',
      path: `${path}/${what}`,
      role: 'ORG_OWNER',
      status: 202,
      versions: [{ date: FIRST_VERSION, response: Empty }],
      handle: async ({ principal, params }) => {
        await compareAgain(context, principal, params.groupId, params.liveMigrationId, what);
        return { body: {} };
      },
    });
  return [
    operation({
      ...common,
      operationId: 'getLiveMigrationVerification',
      summary: 'What of a live migration is verified, and what was found',
      method: 'GET',
      path: `${path}/verification`,
      role: 'GROUP_READ_ONLY',
      status: 200,
      versions: [{ date: FIRST_VERSION, response: Verification }],
      handle: async ({ params }) => ({
        body: await verification(context, params.groupId, params.liveMigrationId),
      }),
    }),
    again('verify', 'verifyLiveMigration', 'Compare everything again, and push what differs'),
    again('repair', 'repairLiveMigration', 'The same, before whose end no cutover is offered'),
  ];
}
