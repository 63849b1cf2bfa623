import { quiesce } from '../destination/quiesce.ts';
import * as clusters from '../store/clusters.ts';
import * as migrationNamespaces from '../store/migrationNamespaces.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { PushSessionRow } from '../store/schema.ts';
import type { GatewayContext } from './context.ts';
import { PAUSED, type PushError } from './errors.ts';
import type { SessionScope } from './sessions.ts';

/**
 * Ends all sessions of a link or migration, those of earlier processes included (rules C1 to C3).
 * Refuses further writes before it first waits.
 * @returns null once nothing of them is under way, else the cluster for which that is not proven
 */
export async function settleSessions(
  context: GatewayContext,
  scope: SessionScope,
  reason: PushError,
  signal: AbortSignal,
): Promise<{ unprovenCluster: string } | null> {
  const { sessions, store } = context;
  const held = sessions.list(scope);
  for (const session of held) session.refuse(reason);
  let unprovenCluster = '';
  try {
    for (const session of held) {
      unprovenCluster = session.identity.clusterName;
      await sessions.retire(session, reason, signal);
    }
    const of =
      scope.linkId === undefined ? { migration_id: scope.migrationId } : { link_id: scope.linkId };
    for (const row of await pushSessions.listOpen(store.db, of)) {
      unprovenCluster = await clusterName(context, row);
      await settleLeftBehind(context, row, signal);
    }
    return null;
  } catch (error) {
    if (signal.aborted) return { unprovenCluster };
    throw error;
  }
}

/**
 * Ends the sessions that this process holds of a paused migration. Refuses further writes before it
 * first waits. Those of earlier processes are left to the next session that opens: the migration may go
 * on before this has ended, and a session that is opened then must not be touched.
 * @throws {Error} when the server stops before what is under way was answered
 */
export async function holdSessions(context: GatewayContext, migrationId: string): Promise<void> {
  const { sessions, stopping } = context;
  const held = sessions.list({ migrationId });
  for (const session of held) session.refuse(PAUSED);
  for (const session of held) await sessions.retire(session, PAUSED, stopping);
}

/**
 * Settles one session of an earlier process, of which only the row is left.
 * @param onPending told why nothing is proven yet
 * @throws the signal's reason
 */
export async function settleLeftBehind(
  context: GatewayContext,
  row: PushSessionRow,
  signal: AbortSignal,
  onPending?: (reason: string) => void,
): Promise<void> {
  const { store, log, mayConnect } = context;
  const cluster = await clusters.find(store.db, row.cluster_id);
  // A cluster is not removed while a session of it may have writes under way.
  if (cluster !== undefined) {
    await quiesce(
      {
        uri: clusters.openUri(store.sealer, cluster),
        connectionName: row.connection_name,
        namespaces: await migrationNamespaces.list(store.db, row.migration_id),
        mayConnect,
        onPending: (reason) => {
          log.info({ cluster: cluster.name, reason }, 'writes of an earlier session may be left');
          onPending?.(reason);
        },
      },
      signal,
    );
  }
  await pushSessions.settle(store.db, row.id);
}

async function clusterName({ store }: GatewayContext, row: PushSessionRow): Promise<string> {
  return (await clusters.find(store.db, row.cluster_id))?.name ?? row.cluster_id;
}
