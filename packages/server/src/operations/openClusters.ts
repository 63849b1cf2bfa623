import * as clusters from '../store/clusters.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { OperationContext } from './context.ts';
import type { Flight } from './flights.ts';

/**
 * The clusters at which sessions of a link, host or migration may have writes under way, by name and with
 * what is in the way there, to stand in a text for people.
 * @param otherwise what is said after the name where nothing is known to be in the way
 */
export async function unprovenClusters(
  { store, fence }: Pick<OperationContext, 'store' | 'fence'>,
  { unprovenCluster, obstacle }: Flight,
  of:
    | { readonly link_id: string }
    | { readonly host_id: string }
    | { readonly migration_id: string },
  otherwise = ', which does not answer',
): Promise<string> {
  const found = new Map<string, string | null>();
  if (unprovenCluster !== null) found.set(unprovenCluster, obstacle);
  else {
    for (const { id, cluster_id: clusterId } of await pushSessions.listOpen(store.db, of)) {
      const name = (await clusters.find(store.db, clusterId))?.name ?? clusterId;
      found.set(name, found.get(name) ?? fence.obstacle(id));
    }
  }
  if (found.size === 0) found.set('(unknown)', null);
  return [...found]
    .map(([name, why]) => (why === null ? `${name}${otherwise}` : `${name} (${why})`))
    .join(', ');
}
