import { randomBytes } from 'node:crypto';

import type { OpenSession, OpenSessionReply } from '@linkspan/contract/push/session.ts';

import { DestinationUnavailableError } from '../destination/errors.ts';
import type { Destination } from '../destination/destination.ts';
import { isSharded } from '../destination/fence.ts';
import { dropUserData } from '../destination/prepare.ts';
import { describe } from '../destination/probe.ts';
import { newConnectionName } from '../domain/connectionNames.ts';
import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { ClusterRow, LiveMigrationRow, PushSessionRow } from '../store/schema.ts';
import type { Store } from '../store/store.ts';
import { hashOf, UNLINKED, type HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { LINK_SUSPENDED, PAUSED, PushError } from './errors.ts';
import { settleElsewhere } from './fence.ts';
import { FENCED, PushSession } from './session.ts';

/** How long an opening waits for what older sessions left under way; the agent tries again. */
const PATIENCE_MS = 60_000;

/** A runner that was fenced asks again after longer, so that what is newer is not its own. */
const IN_USE_MS = 20_000;

const IN_USE = new PushError(
  'SESSION_FENCED',
  'Another process pushes this live migration as the same migration host: a copy of its state directory is in use elsewhere.',
);
const ENDED = new PushError(
  'MIGRATION_NOT_ACTIVE',
  'The live migration has ended, or was not given to this migration host.',
);
const STOPPING = new PushError('NODE_UNAVAILABLE', 'This server node is stopping.');
const LINK_GONE = new PushError('LINK_REFUSED', 'The link was removed.');
const NOT_OPENED = new PushError('SESSION_UNKNOWN', 'The session could not be opened.');
const HOST_UNLINKED = new PushError('LINK_REFUSED', UNLINKED);

/**
 * Opens a push session. When it comes back, no write of an older session of the migration can reach
 * the destination any more (invariant I5).
 * @throws {PushError} never SESSION_UNKNOWN
 * @throws {DestinationUnavailableError} {DestinationRefusedError}
 */
export async function openSession(
  context: GatewayContext,
  principal: HostPrincipal,
  migrationId: string,
  message: OpenSession,
): Promise<OpenSessionReply> {
  const { store, sessions, log, stopping } = context;
  if (stopping.aborted) throw STOPPING;
  const migration = await liveMigrations.findOfHost(store.db, principal.host.id, migrationId);
  if (migration === undefined) throw ENDED;
  const cluster = await clusters.find(store.db, migration.cluster_id);
  if (cluster === undefined) throw ENDED;
  const connectionName = newConnectionName(migrationId);
  const id = newId();
  const session = new PushSession({
    identity: {
      id,
      migrationId,
      linkId: principal.link.id,
      hostId: principal.host.id,
      clusterId: cluster.id,
      clusterName: cluster.name,
      connectionName,
      purpose: 'push',
    },
    store,
    uri: clusters.openUri(store.sealer, cluster),
    mayConnect: context.mayConnect,
    onPending: (reason) => {
      sessions.noteObstacle(id, reason);
      log.info({ cluster: cluster.name, reason }, 'writes of a session may be left');
    },
  });
  const sessionSecret = randomBytes(32).toString('hex');
  // A link that is removed from here on finds the session and refuses it.
  sessions.add(session);
  try {
    await store.transaction((tx) => enter(context, tx, principal, session, sessionSecret, message));
    session.isEntered = true;
    // Another node may hold the session before this one.
    context.announce(principal.link.id);
    const late = AbortSignal.timeout(PATIENCE_MS);
    const signal = AbortSignal.any([stopping, late, session.refused]);
    await fenceOlder(context, session, signal);
    session.check();
    await session.destination.ping();
    if (await hasFence(context, cluster, session.destination)) await session.useFence();
    await session.loadOwned();
    await prepare(context, session, migration);
    // No older session changes it any more.
    const current = await liveMigrations.find(store.db, migrationId);
    if (current === undefined) throw ENDED;
    session.check();
    return {
      sessionId: session.identity.id,
      sessionSecret,
      epoch: session.epoch,
      hostChanges: session.hostChanges,
      lastStructure: { epoch: current.structure_epoch, number: current.structure_number },
    };
  } catch (error) {
    const reason = error instanceof PushError ? error : NOT_OPENED;
    void sessions.retire(session, reason, stopping).catch((late: unknown) => {
      if (!stopping.aborted) log.error({ err: late }, 'a session that did not open is not settled');
    });
    throw toAnswer(error);
  }
}

/**
 * What the host is told. It has no session yet that it could lose: where this one ended for the node's sake
 * (it stops, its lease is over), the same request again opens another.
 */
function toAnswer(error: unknown): unknown {
  if (!(error instanceof PushError) || error.code !== 'SESSION_UNKNOWN') return error;
  return new PushError('NODE_UNAVAILABLE', error.message);
}

/** The one transaction: the link is live, the migration is this host's, its epoch grows. */
async function enter(
  { leases }: GatewayContext,
  tx: Executor,
  { host, link, remoteAddress }: HostPrincipal,
  session: PushSession,
  sessionSecret: string,
  { unlessInUse }: OpenSession,
): Promise<void> {
  const { id, migrationId, clusterId, connectionName } = session.identity;
  const now = await links.findForShare(tx, link.id);
  if (now?.state !== 'LINKED') throw LINK_GONE;
  if (now.suspended_at !== null) throw LINK_SUSPENDED;
  if ((await migrationHosts.find(tx, host.id))?.unlinked_at !== null) throw HOST_UNLINKED;
  const migration = await liveMigrations.findOfHost(tx, host.id, migrationId);
  if (migration === undefined || migration.link_id !== link.id) throw ENDED;
  if (migration.paused_at !== null && liveMigrations.ACTIVE.includes(migration.status))
    throw PAUSED;
  if (unlessInUse === true && isReporting(migration)) throw IN_USE;
  const epoch = await liveMigrations.nextEpoch(tx, migrationId, host.id);
  if (epoch === null) throw ENDED;
  const askedAt = performance.now();
  await pushSessions.insert(
    tx,
    {
      id,
      migration_id: migrationId,
      link_id: link.id,
      cluster_id: clusterId,
      epoch,
      secret_hash: hashOf(sessionSecret),
      state: 'OPEN',
      connection_name: connectionName,
      opened_at: timestamp(),
    },
    { ...leases.newLease, hostId: host.id },
  );
  if (migration.status === 'NEW') {
    await events.record(tx, {
      type: 'CLUSTER_IMPORT_STARTED',
      orgId: link.org_id,
      projectId: migration.project_id,
      actor: { hostId: host.id, remoteAddress },
      targetId: migrationId,
    });
  }
  // Within the transaction: the next one to open must see it.
  session.epoch = epoch;
  session.hostChanges = migration.host_changes;
  session.isRestored = migration.restored_at !== null;
  session.leasedUntil = leases.deadline(askedAt);
}

/** Only the newest session may report, and does so every second. */
function isReporting({ progress_at: reportedAt }: LiveMigrationRow): boolean {
  if (reportedAt === null) return false;
  return Math.abs(Date.now() - Date.parse(reportedAt)) < IN_USE_MS;
}

/**
 * Ends the sessions that were opened before this one, here and in earlier processes: those of its
 * migration, and what an ended migration may have left under way at the same cluster.
 */
async function fenceOlder(
  context: GatewayContext,
  session: PushSession,
  signal: AbortSignal,
): Promise<void> {
  const { sessions, store } = context;
  const { migrationId, clusterId, clusterName } = session.identity;
  let pending = 'writes of an earlier session are still under way';
  try {
    const older = sessions
      .list({ migrationId })
      .filter(({ epoch }) => epoch > 0 && epoch < session.epoch);
    for (const one of older) one.refuse(FENCED);
    for (const one of older) await sessions.retire(one, FENCED, signal);
    for (const row of await pushSessions.listOpen(store.db, { cluster_id: clusterId })) {
      if (
        row.migration_id === migrationId ? row.epoch >= session.epoch : !(await isOver(store, row))
      ) {
        continue;
      }
      const held = sessions.get(row.id);
      if (held !== undefined) await sessions.retire(held, ENDED, signal);
      else await settleElsewhere(context, row, signal, (reason) => (pending = reason));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    session.check();
    throw new DestinationUnavailableError(`cluster ${clusterName}: ${pending}`);
  }
}

async function isOver({ db }: Store, { migration_id: id }: PushSessionRow): Promise<boolean> {
  const migration = await liveMigrations.find(db, id);
  return migration === undefined || !liveMigrations.ACTIVE.includes(migration.status);
}

/** Whether the destination enforces the fence; asks where that is not known, or not so any more. */
async function hasFence(
  { store, log }: GatewayContext,
  cluster: ClusterRow,
  destination: Destination,
): Promise<boolean> {
  const known = clusters.factsOf(cluster);
  if (known.fence === 'NOT_ENFORCED') return false;
  try {
    // A replica set may have become sharded behind the same name since.
    if (known.fence === 'ENFORCED' && !(await isSharded(destination.client))) return true;
    const facts = await describe(destination.client);
    await clusters.keepFacts(store.db, cluster, facts);
    return facts.fence === 'ENFORCED';
  } catch (error) {
    log.warn({ err: error, cluster: cluster.name }, 'the cluster did not say what it is');
    return false;
  }
}

/** For the first session: what the destination holds is dropped where the request asked for it. */
async function prepare(
  { store }: GatewayContext,
  session: PushSession,
  migration: LiveMigrationRow,
): Promise<void> {
  const current = await liveMigrations.find(store.db, migration.id);
  if (current === undefined || current.destination_prepared === 1) return;
  if (current.drop_destination_data === 1) await dropUserData(session.destination);
  session.check();
  await liveMigrations.setPrepared(store.db, migration.id);
}
