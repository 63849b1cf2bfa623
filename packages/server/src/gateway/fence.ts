import type { Namespace } from '@linkspan/contract/push/namespaces.ts';

import { proveGone } from '../destination/proof.ts';
import * as clusters from '../store/clusters.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationNamespaces from '../store/migrationNamespaces.ts';
import * as pushSessions from '../store/pushSessions.ts';
import * as subLeases from '../store/subLeases.ts';
import type { GatewayContext } from './context.ts';
import { PAUSED, type PushError } from './errors.ts';
import type { SessionScope } from './sessions.ts';

/** How often the row of a session that another node holds is looked at, in milliseconds. */
const LOOK_EVERY_MS = 500;

/**
 * Ends all sessions of a link, a migration host or a migration, those of other nodes and earlier processes included (rules
 * C1 to C3). What ends them is in the store already. Refuses further writes before it first waits.
 * @returns null once nothing of them is under way, else a cluster for which that is not proven
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
  const unproven = new Set<string>();
  const until = async (cluster: string, proof: Promise<void>): Promise<void> => {
    unproven.add(cluster);
    await proof;
    unproven.delete(cluster);
  };
  try {
    await Promise.all(
      held.map((session) =>
        until(session.identity.clusterName, sessions.retire(session, reason, signal)),
      ),
    );
    const rows = await pushSessions.listOpen(store.db, columnOf(scope));
    await Promise.all(
      rows.map(async (row) =>
        until(await clusterName(context, row), settleElsewhere(context, row, signal)),
      ),
    );
    if ('hostId' in scope) {
      const others = await subLeases.listSessionsOf(store.db, scope.hostId);
      await Promise.all(
        others.map(async (row) =>
          until(await clusterName(context, row), endSubLeases(context, scope, row, signal)),
        ),
      );
    }
    return null;
  } catch (error) {
    if (signal.aborted) return { unprovenCluster: [...unproven].join(', ') };
    throw error;
  }
}

function columnOf(scope: SessionScope): Parameters<typeof pushSessions.listOpen>[1] {
  if ('linkId' in scope) return { link_id: scope.linkId };
  if ('hostId' in scope) return { host_id: scope.hostId };
  return { migration_id: scope.migrationId };
}

/**
 * Ends what a migration host copies through the session of another one, and proves that nothing of it is
 * under way; the session goes on. The node that holds it learns from the store that the host is refused.
 * @throws the signal's reason
 */
async function endSubLeases(
  context: GatewayContext,
  { hostId }: { readonly hostId: string },
  { id }: { readonly id: string },
  signal: AbortSignal,
): Promise<void> {
  const { sessions, store, wakes } = context;
  for (;;) {
    signal.throwIfAborted();
    using listening = wakes.listen(id);
    const held = sessions.get(id);
    if (held !== undefined && !held.isRefusing) {
      await held.ranges.end({ hostId }, AbortSignal.any([signal, held.refused])).catch(() => {});
    }
    const left = await subLeases.listSessionsOf(store.db, hostId);
    if (!left.some((session) => session.id === id)) return;
    const { holding } = await pushSessions.endLease(store.db, store.dialect, id);
    if (holding === 'LEFT' && held === undefined) {
      await settleElsewhere(context, { id }, signal);
      return;
    }
    await listening.wait(LOOK_EVERY_MS, signal);
  }
}

/**
 * Ends the sessions of a paused migration, here and on other nodes. Refuses further writes before it
 * first waits. Those that nobody holds are left to the next session that opens: the migration may go on
 * before this has ended, and a session that is opened then must not be touched.
 * @throws {Error} when the server stops before what is under way was answered
 */
export async function holdSessions(context: GatewayContext, migrationId: string): Promise<void> {
  const { sessions, store, stopping } = context;
  const held = sessions.list({ migrationId });
  for (const session of held) session.refuse(PAUSED);
  const rows = await pushSessions.listOpen(store.db, { migration_id: migrationId });
  const elsewhere = rows.filter(({ id }) => sessions.get(id) === undefined);
  await Promise.all([
    ...held.map((session) => sessions.retire(session, PAUSED, stopping)),
    ...elsewhere.map(({ id }) => untilLeft(context, id, stopping)),
  ]);
}

/**
 * Settles a session that this process does not hold. One that another node holds is waited for: that
 * node learns from the store why it may not go on, and settles it. One that nobody holds any more, since
 * its node is gone, cut off or standing still, is settled here, by a proof at the destination.
 * @param onPending told why nothing is proven yet
 * @throws the signal's reason
 */
export async function settleElsewhere(
  context: GatewayContext,
  { id }: { readonly id: string },
  signal: AbortSignal,
  onPending?: (reason: string) => void,
): Promise<void> {
  const told = (reason: string): void => {
    context.sessions.noteObstacle(id, reason);
    onPending?.(reason);
  };
  try {
    const row = await untilLeft(context, id, signal, told);
    if (row !== null) await proveLeft(context, row, signal, told);
  } finally {
    context.sessions.forgetObstacle(id);
  }
}

/** The same for one that no node may write through any more. */
async function proveLeft(
  { store, log, mayConnect }: GatewayContext,
  row: pushSessions.LeasedSession,
  signal: AbortSignal,
  onPending: (reason: string) => void,
): Promise<void> {
  const { migration_id: migrationId, cluster_id: clusterId, epoch } = row;
  const cluster = await clusters.find(store.db, clusterId);
  // A cluster is not removed while a session of it may have writes under way.
  if (cluster !== undefined) {
    await proveGone(
      {
        uri: () => clusters.currentUri(store.db, store.sealer, clusterId),
        connectionName: row.connection_name,
        namespaces: await namespacesOf(store.db, migrationId),
        mayConnect,
        isNeeded: () => pushSessions.isOpen(store.db, row.id),
        onPending: (reason) => {
          log.info({ cluster: cluster.name, reason }, 'writes of an earlier session may be left');
          onPending(reason);
        },
        fence: row.is_fenced === 1 ? { migrationId, epoch } : null,
        hasStructure: row.is_fenced === 0 || row.structure_under_way === 1,
      },
      signal,
    );
  }
  await pushSessions.settle(store.db, row.id);
}

/** Where an index build of the migration may be under way. Once it is COMPLETE all that it builds is there. */
async function namespacesOf(ex: Executor, migrationId: string): Promise<readonly Namespace[]> {
  const migration = await liveMigrations.find(ex, migrationId);
  return migration?.status === 'COMPLETE' ? [] : migrationNamespaces.list(ex, migrationId);
}

/**
 * Waits while a node may write through the session.
 * @returns the session once no node may, or null once it is settled
 * @throws the signal's reason
 */
async function untilLeft(
  { store, wakes }: GatewayContext,
  id: string,
  signal: AbortSignal,
  onPending?: (reason: string) => void,
): Promise<pushSessions.LeasedSession | null> {
  for (;;) {
    signal.throwIfAborted();
    using listening = wakes.listen(id);
    const { holding, session } = await pushSessions.endLease(store.db, store.dialect, id);
    if (holding === 'SETTLED' || session === undefined) return null;
    if (holding === 'LEFT') return session;
    onPending?.('another server node has not ended its push session yet');
    await listening.wait(LOOK_EVERY_MS, signal);
  }
}

async function clusterName(
  { store }: GatewayContext,
  row: Pick<pushSessions.LeasedSession, 'cluster_id'>,
): Promise<string> {
  return (await clusters.find(store.db, row.cluster_id))?.name ?? row.cluster_id;
}
