import type { Inventory } from '@linkspan/contract/push/host.ts';

import { timestamp } from '../domain/time.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';

/** Keeps what a migration host can read; also its heartbeat. */
export async function reportInventory(
  { store }: GatewayContext,
  { host }: HostPrincipal,
  message: Inventory,
): Promise<void> {
  await migrationHosts.report(store.db, host.id, {
    hostname: message.hostname,
    agent_version: message.agentVersion,
    inventory: JSON.stringify(message.projects),
    heartbeat_at: timestamp(),
  });
}
