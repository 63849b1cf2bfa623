import { addressList } from '../../src/domain/addresses.ts';
import type { Endpoint } from '../../src/http/endpoint.ts';
import type { OperationContext } from '../../src/operations/context.ts';
import { LinkRemoval } from '../../src/operations/linkRemoval.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import { allEndpoints } from '../../src/routes/endpoints.ts';
import type { TestServer } from './server.ts';

/** The declarations of every operation, to walk them. */
export function everyEndpoint(server: TestServer): Endpoint[] {
  const context: OperationContext = {
    store: server.store,
    fence: {
      settle: async () => null,
      settleMigration: async () => null,
      holdMigration: async () => {},
    },
    probe: { test: () => server.hooks.test() },
    work: { changed: () => {} },
    publicUrl: () => server.url,
    allowedNetworks: addressList([]),
    removalWaitMs: 1000,
    log: console,
  };
  return allEndpoints(context, new LinkRemoval(context), new LiveMigrationControl(context));
}
