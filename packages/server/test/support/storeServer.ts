import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { createGateway } from '../../src/gateway/gateway.ts';
import { type RunningServer, startServer } from '../../src/main.ts';
import type { StoreOptions } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import { type Api, apiClient, type Credentials } from './api.ts';

/** A server of its own on an embedded store, which is free again once it is closed. */
export interface StoreServer extends AsyncDisposable {
  readonly server: RunningServer;
  readonly store: Store;
  readonly api: Api;
}

/** @param owner whose key the API is called with */
export async function startOnStore(
  { dataDirectory }: StoreOptions,
  owner: Credentials,
): Promise<StoreServer> {
  const seen: { store?: Store } = {};
  const server = await startServer({
    config: loadConfig({ dataDir: dataDirectory, port: '0', removalWaitSeconds: '1' }, {}),
    log: makeLogger('silent'),
    createGateway: (dependencies) => {
      seen.store = dependencies.store;
      return createGateway(dependencies);
    },
  });
  if (seen.store === undefined) throw new Error('the gateway was not made');
  return {
    server,
    store: seen.store,
    api: apiClient(server.url, owner),
    [Symbol.asyncDispose]: () => server.close(),
  };
}
