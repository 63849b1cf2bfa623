import { HEARTBEAT_FRESH_MS } from '@linkspan/contract/push/host.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { MigrationHostRow } from '../store/schema.ts';
import { inventoryOf } from './inventory.ts';

/** What a migration host has to be able to read. */
export interface SourceDeployment {
  readonly projectId: string;
  readonly clusterName: string;
}

/**
 * The host that the server picks where none is named: in touch, with the deployment in its inventory, and
 * with the fewest live migrations. The transaction must hold the link's row, so that two that choose at
 * once see each other's choice.
 * @param isAllowed leaves out others than those
 * @returns undefined if there is none
 */
export async function chooseHost(
  tx: Executor,
  linkId: string,
  source: SourceDeployment,
  isAllowed: (host: MigrationHostRow) => boolean = () => true,
): Promise<MigrationHostRow | undefined> {
  const running = await countByHost(tx, linkId);
  const load = ({ id }: MigrationHostRow): number => running.get(id) ?? 0;
  return (await migrationHosts.listByLink(tx, linkId))
    .filter((host) => isAllowed(host) && isInTouch(host, new Date()) && canRead(host, source))
    .toSorted((a, b) => load(a) - load(b))[0];
}

/** How many live migrations each host of a link runs. */
export async function countByHost(
  ex: Executor,
  linkId: string,
): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { host_id: id } of await liveMigrations.listActive(ex, { link_id: linkId })) {
    counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return counts;
}

/** It is linked and was heard of lately. */
export function isInTouch(host: MigrationHostRow, now: Date): boolean {
  const silence = now.getTime() - Date.parse(host.heartbeat_at);
  return host.unlinked_at === null && silence <= HEARTBEAT_FRESH_MS;
}

export function canRead(host: MigrationHostRow, source: SourceDeployment): boolean {
  return inventoryOf(host).some(
    ({ projectId, deployments }) =>
      projectId === source.projectId && deployments.some(({ name }) => name === source.clusterName),
  );
}
