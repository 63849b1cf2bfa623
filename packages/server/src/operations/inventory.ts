import type { Inventory } from '@linkspan/contract/push/host.ts';
import type { AvailableProject } from '@linkspan/contract/api/linkTokens.ts';
import * as links from '../store/links.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { MigrationHostRow } from '../store/schema.ts';
import type { OperationContext } from './context.ts';

/** What a migration host can read, as it last reported. */
export function inventoryOf(host: MigrationHostRow): Inventory['projects'] {
  return JSON.parse(host.inventory) as Inventory['projects'];
}

/** The projects of the source side over all migration hosts of the link that are not unlinked. */
export async function availableProjects(
  context: OperationContext,
  orgId: string,
): Promise<AvailableProject[]> {
  const { db } = context.store;
  const link = await links.findByOrganization(db, orgId);
  if (link === undefined || link.state !== 'LINKED') return [];
  const found = new Map<string, AvailableProject>();
  for (const host of await migrationHosts.listByLink(db, link.id)) {
    if (host.unlinked_at !== null) continue;
    for (const project of inventoryOf(host)) {
      const known = found.get(project.projectId);
      const names = new Set(known?.deployments.map((deployment) => deployment.name));
      found.set(project.projectId, {
        deployments: [
          ...(known?.deployments ?? []),
          ...project.deployments.filter((deployment) => !names.has(deployment.name)),
        ],
        migrationHosts: [...new Set([...(known?.migrationHosts ?? []), host.hostname])],
        name: known?.name ?? project.name,
        projectId: project.projectId,
      });
    }
  }
  return [...found.values()];
}
