import * as clusters from '../clusters.ts';
import * as copiedData from '../copiedData.ts';
import * as events from '../events.ts';
import type { Executor } from '../executor.ts';
import * as liveMigrations from '../liveMigrations.ts';
import { openStore, requireStore, type StoreOptions } from '../open.ts';
import * as projects from '../projects.ts';
import * as pushSessions from '../pushSessions.ts';
import type { ClusterRow } from '../schema.ts';
import type { Store } from '../store.ts';

/** A cluster cannot be declared gone. */
export class ClusterGoneError extends Error {
  override readonly name = 'ClusterGoneError';
}

const REASON = 'The cluster was declared gone.';

export interface ClusterGone {
  readonly clusterName: string;
  /** Push sessions that were ended without a proof. */
  readonly ended: number;
  /** Those that a server node still holds: it gives them up within a minute. */
  readonly held: number;
  /** Canceled live migrations of which the copied data is not dropped any more. */
  readonly kept: number;
}

/**
 * Ends the push sessions of a destination that will never answer again without the proof that nothing of them
 * is under way, so that cancels and removals that wait for it come to an end. That proof is what the 204 of a
 * removal rests on: where the cluster does come back, what was sent to it before may still be carried out.
 * @param clusterId as the API shows it
 * @throws {ClusterGoneError} if there is no such cluster, or a live migration to it has not ended
 * @throws {StoreUnavailableError} if there is no such store
 * @throws {StoreLockedError} while a server has the embedded store open
 */
export async function declareClusterGone(
  options: StoreOptions,
  clusterId: string,
): Promise<ClusterGone> {
  requireStore(options);
  await using store = await openStore(options);
  if (!store.dialect.isShared) await pushSessions.endLeasesOfOthers(store.db, store.nodeId);
  return await store.lockingTransaction(async (tx) => {
    const cluster = await clusters.find(tx, clusterId);
    if (cluster === undefined) {
      throw new ClusterGoneError(
        `there is no cluster with the id ${clusterId}: \`linkspan clusters list -o json\` shows the ids`,
      );
    }
    const [active] = await liveMigrations.listActive(tx, { cluster_id: clusterId });
    if (active !== undefined) {
      throw new ClusterGoneError(
        `live migration ${active.id} to cluster ${cluster.name} has not ended: cancel it first, which is answered 503, and send the same cancel again after this`,
      );
    }
    const kept = await keepCopiedData(tx, cluster);
    const { ended, held } = await endSessions(tx, store, cluster);
    if (ended + kept > 0) {
      const { project_id: projectId, name: clusterName } = cluster;
      const project = await projects.find(tx, projectId);
      await events.record(tx, {
        type: 'CLUSTER_DECLARED_GONE',
        orgId: project?.org_id ?? '',
        projectId,
        actor: null,
        targetId: clusterId,
        detail: { clusterName, sessionsEndedWithoutProof: ended },
      });
    }
    return { clusterName: cluster.name, ended, held, kept };
  });
}

/** Before the sessions: nothing opens one for a drop after that. */
async function keepCopiedData(tx: Executor, { id }: ClusterRow): Promise<number> {
  let kept = 0;
  for (const migration of await liveMigrations.listDropping(tx, { cluster_id: id })) {
    if (await copiedData.keep(tx, migration, null, REASON)) kept += 1;
  }
  return kept;
}

async function endSessions(
  tx: Executor,
  { dialect }: Store,
  { id }: ClusterRow,
): Promise<{ readonly ended: number; readonly held: number }> {
  let [ended, held] = [0, 0];
  for (const session of await pushSessions.listOpen(tx, { cluster_id: id })) {
    const { holding } = await pushSessions.endLease(tx, dialect, session.id);
    if (holding === 'HELD') held += 1;
    else if (await pushSessions.settle(tx, session.id)) ended += 1;
  }
  return { ended, held };
}
