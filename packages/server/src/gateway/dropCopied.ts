import { randomBytes } from 'node:crypto';

import { formatNamespace, type Namespace } from '@linkspan/contract/push/namespaces.ts';

import { emptyCollection } from '../destination/empty.ts';
import { obstacleOf } from '../destination/errors.ts';
import { applyStructure } from '../destination/structure.ts';
import { newConnectionName } from '../domain/connectionNames.ts';
import { newId } from '../domain/ids.ts';
import type { Unproven } from '../domain/ports.ts';
import { timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as copiedData from '../store/copiedData.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { ClusterRow, LiveMigrationRow } from '../store/schema.ts';
import { hashOf } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PushError } from './errors.ts';
import { PushSession } from './session.ts';

const DONE = new PushError('MIGRATION_NOT_ACTIVE', 'What the live migration had made is dropped.');

/** What came of it: how many were dropped, which ones are left, and which of those hold documents still. */
interface Outcome {
  dropped: number;
  readonly left: string[];
  readonly notEmptied: string[];
}

/** Of names that an event holds at most. */
const MOST_NAMES = 20;

/**
 * Drops what a canceled migration made, one by one, never a database (rule D11). What was there before and it
 * took over is left: a view as it is, a collection empty. It writes through a
 * session of the server's own, so that a removal of the link refuses it and waits for it like any other
 * (invariant I1), and a later start finds what an earlier process had under way. Repeating it goes on
 * where it ended.
 * @returns null once nothing is left to be done, else the name of the cluster that does not do it now, or
 *   where another node is at it
 */
export async function dropCopied(
  context: GatewayContext,
  migrationId: string,
  signal: AbortSignal,
): Promise<Unproven | null> {
  const { store, sessions, log } = context;
  const migration = await liveMigrations.find(store.db, migrationId);
  if (migration?.copied_data !== 'DROPPING') return null;
  const link = await links.find(store.db, migration.link_id ?? '');
  if (link === undefined) {
    await keep(context, migration);
    return null;
  }
  const cluster = await clusters.find(store.db, migration.cluster_id);
  if (cluster === undefined) throw new Error('a cluster is kept while something is dropped there');
  const session = makeSession(context, migration, link.id, cluster);
  // A link that is removed from here on finds the session and refuses it.
  sessions.add(session);
  const outcome: Outcome = { dropped: 0, left: [], notEmptied: [] };
  let failure: Error | null = null;
  try {
    const entered = await enter(context, session);
    if (entered === 'OTHERS') {
      return { unprovenCluster: cluster.name, obstacle: 'another server node is dropping there' };
    }
    if (entered === 'NOTHING') return null;
    session.isEntered = true;
    await session.loadOwned();
    for (const { db, coll, wasThere } of session.ownedNamespaces) {
      signal.throwIfAborted();
      if (wasThere) {
        await leave(context, session, { db, coll }, outcome, signal);
        continue;
      }
      await applyStructure(session.destination, session.owned, { action: 'drop', db, coll });
      const namespace = formatNamespace({ db, coll });
      log.info({ migrationId, namespace }, 'copied data dropped');
      outcome.dropped += 1;
    }
  } catch (error) {
    failure = error as Error;
  } finally {
    await sessions.retire(session, DONE, signal);
  }
  if (failure !== null) {
    const reason = failure.message;
    log.warn({ migrationId, cluster: cluster.name, reason }, 'copied data is not all dropped yet');
    return { unprovenCluster: cluster.name, obstacle: obstacleOf(failure.cause ?? failure) };
  }
  await end(context, migration, outcome);
  return null;
}

async function leave(
  { log }: GatewayContext,
  session: PushSession,
  namespace: Namespace,
  { left, notEmptied }: Outcome,
  signal: AbortSignal,
): Promise<void> {
  const { migrationId } = session.identity;
  const name = formatNamespace(namespace);
  const reason = await emptyCollection(session.destination, namespace, signal);
  await session.owned.remove(namespace);
  left.push(name);
  if (reason === null) {
    log.info(
      { migrationId, namespace: name },
      'what was there before is left, without copied data',
    );
    return;
  }
  notEmptied.push(name);
  log.warn(
    { migrationId, namespace: name, reason },
    'copied data is left in what was there before',
  );
}

function makeSession(
  { store, sessions, mayConnect, log }: GatewayContext,
  migration: LiveMigrationRow,
  linkId: string,
  cluster: ClusterRow,
): PushSession {
  const id = newId();
  return new PushSession({
    identity: {
      id,
      migrationId: migration.id,
      linkId,
      hostId: migration.host_id,
      clusterId: cluster.id,
      clusterName: cluster.name,
      connectionName: newConnectionName(migration.id),
      purpose: 'drop',
    },
    store,
    uri: clusters.openUri(store.sealer, cluster),
    mayConnect,
    onPending: (reason) => {
      sessions.noteObstacle(id, reason);
      log.info({ cluster: cluster.name, reason }, 'drops of a session may be left');
    },
  });
}

/**
 * The one transaction before the first drop.
 * @returns NOTHING if the link is being removed, or nothing is to be dropped any more; OTHERS while another
 *   session of the migration may write: what that one drops, somebody may make again meanwhile
 */
async function enter(
  { store, leases }: GatewayContext,
  session: PushSession,
): Promise<'ENTERED' | 'NOTHING' | 'OTHERS'> {
  const { id, migrationId, linkId, clusterId, connectionName } = session.identity;
  return store.transaction(async (tx) => {
    if ((await links.findForShare(tx, linkId))?.state !== 'LINKED') return 'NOTHING';
    if ((await pushSessions.listOpen(tx, { migration_id: migrationId })).length > 0)
      return 'OTHERS';
    const epoch = await liveMigrations.nextDroppingEpoch(tx, migrationId);
    if (epoch === null) return 'NOTHING';
    const askedAt = performance.now();
    await pushSessions.insert(
      tx,
      {
        id,
        migration_id: migrationId,
        link_id: linkId,
        cluster_id: clusterId,
        epoch,
        // Of a secret that nobody has: no host can claim the session.
        secret_hash: hashOf(randomBytes(32).toString('hex')),
        state: 'OPEN',
        connection_name: connectionName,
        opened_at: timestamp(),
      },
      leases.newLease,
    );
    session.epoch = epoch;
    session.leasedUntil = leases.deadline(askedAt);
    return 'ENTERED';
  });
}

/** Of a link that is gone: nothing may be written for it any more, so that there is nothing to wait for. */
async function keep({ store }: GatewayContext, migration: LiveMigrationRow): Promise<void> {
  const reason = 'The link of the live migration is removed.';
  await store.transaction((tx) => copiedData.keep(tx, migration, null, reason));
}

async function end(
  { store }: GatewayContext,
  migration: LiveMigrationRow,
  { dropped, left, notEmptied }: Outcome,
): Promise<void> {
  await store.transaction(async (tx) => {
    if (!(await liveMigrations.endDropping(tx, migration.id, 'DROPPED'))) return;
    const detail = {
      namespaces: dropped,
      ...(left.length > 0 && { left: left.slice(0, MOST_NAMES) }),
      ...(notEmptied.length > 0 && { notEmptied: notEmptied.slice(0, MOST_NAMES) }),
    };
    const type = 'LIVE_MIGRATION_COPIED_DATA_DROPPED';
    await migrationEvents.record(tx, migration, type, null, detail);
  });
}
