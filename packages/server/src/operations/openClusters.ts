import * as clusters from '../store/clusters.ts';
import type { Executor } from '../store/executor.ts';
import * as pushSessions from '../store/pushSessions.ts';

/** Names of the clusters at which sessions of a link, host or migration may have writes under way, for people. */
export async function clustersOfOpenSessions(
  ex: Executor,
  of:
    | { readonly link_id: string }
    | { readonly host_id: string }
    | { readonly migration_id: string },
): Promise<string> {
  const names = new Set<string>();
  for (const session of await pushSessions.listOpen(ex, of)) {
    names.add((await clusters.find(ex, session.cluster_id))?.name ?? session.cluster_id);
  }
  return names.size === 0 ? '(unknown)' : [...names].join(', ');
}
