import { addressList } from '../../src/domain/addresses.ts';
import type { Endpoint } from '../../src/http/endpoint.ts';
import type { OperationContext } from '../../src/operations/context.ts';
import { HostRemoval } from '../../src/operations/hostRemoval.ts';
import { LinkRemoval } from '../../src/operations/linkRemoval.ts';
import { LiveMigrationControl } from '../../src/operations/liveMigrationControl.ts';
import { allEndpoints } from '../../src/routes/endpoints.ts';
import type { TestServer } from './server.ts';

/** What operations work with, over a test server's store. */
export function operationContext(server: TestServer): OperationContext {
  return {
    store: server.store,
    fence: {
      settle: async () => null,
      settleHost: async () => null,
      settleMigration: async () => null,
      holdMigration: async () => {},
      obstacle: () => null,
      dropCopied: async () => null,
    },
    probe: { test: () => server.hooks.test() },
    work: { changed: (linkId) => void server.hooks.changed.push(linkId) },
    publicUrl: () => server.url,
    allowedNetworks: addressList([]),
    removalWaitMs: 1000,
    windowHours: 120,
    linkTokenHours: 24,
    log: console,
  };
}

/** The declarations of every operation, to walk them. */
export function everyEndpoint(server: TestServer): Endpoint[] {
  const context = operationContext(server);
  return allEndpoints(
    context,
    new LinkRemoval(context),
    new LiveMigrationControl(context),
    new HostRemoval(context),
  );
}
