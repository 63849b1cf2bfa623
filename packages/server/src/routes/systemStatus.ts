import { SystemStatus } from '@linkspan/contract/api/systemStatus.ts';
import { FIRST_VERSION } from '@linkspan/contract/api/versions.ts';
import { type Endpoint, operation } from '../http/endpoint.ts';
import { RATE_LIMITS } from '../http/rateLimit.ts';
import type { OperationContext } from '../operations/context.ts';
import * as systemStatus from '../operations/systemStatus.ts';

export function systemStatusEndpoints(context: OperationContext): Endpoint[] {
  return [
    operation({
      tag: 'Root',
      api: 'atlas',
      scope: 'user',
      limits: RATE_LIMITS.systemStatus,
      operationId: 'getSystemStatus',
      summary: 'What answers, and with which key it was asked',
      method: 'GET',
      path: '',
      role: null,
      status: 200,
      versions: [{ date: FIRST_VERSION, response: SystemStatus }],
      handle: async ({ principal, base }) => ({
        body: await systemStatus.get(context, principal, base),
      }),
    }),
  ];
}
