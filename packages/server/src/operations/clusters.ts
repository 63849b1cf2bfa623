import type {
  Cluster,
  ConnectionTestResult,
  CreateCluster,
  UpdateCluster,
} from '@linkspan/contract/api/clusters.ts';
import type { Principal } from '../domain/access.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import {
  checkDestinationUri,
  DestinationUriError,
  hostsOf,
  isSameUserAtSameCluster,
} from '../domain/destinationUri.ts';
import { withTlsCa } from '../domain/destinationTls.ts';
import { newId } from '../domain/ids.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as projects from '../store/projects.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { ClusterRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import { actorOf, type OperationContext } from './context.ts';

/** How long a connection test may take, in milliseconds. */
const CONNECTION_TEST_MS = 20_000;

export async function list(
  context: OperationContext,
  groupId: string,
  base: string,
): Promise<Cluster[]> {
  const rows = await clusters.listByProject(context.store.db, groupId);
  return rows.map((row) => toCluster(context, row, base));
}

export async function get(
  context: OperationContext,
  groupId: string,
  name: string,
  base: string,
): Promise<Cluster> {
  return toCluster(context, await load(context.store.db, groupId, name), base);
}

/** Registers a destination cluster. It is not connected to: the connection test does that. */
export async function create(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: CreateCluster,
  base: string,
): Promise<Cluster> {
  const uri = checkedUri(context, body);
  const { store } = context;
  const id = newId();
  const row: ClusterRow = {
    id,
    project_id: groupId,
    name: body.name,
    uri_sealed: store.sealer.seal(clusters.uriIdentity(id), uri),
    facts: null,
    created_at: timestamp(),
  };
  await store.transaction(async (tx) => {
    if ((await clusters.findByName(tx, groupId, body.name)) !== undefined) {
      throw apiError('CLUSTER_ALREADY_EXISTS', body.name, groupId);
    }
    await clusters.insert(tx, row);
    await record(tx, principal, 'CLUSTER_CREATED', row);
  });
  return toCluster(context, row, base);
}

/**
 * While ended migrations may still have something under way at the cluster, password and authorities alone may
 * change: the proof needs the right ones, and has to ask the same cluster as the same user.
 * @throws {ApiError} 409 while a migration or validation uses the cluster
 */
export async function setConnectionString(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  name: string,
  body: UpdateCluster,
  base: string,
): Promise<Cluster> {
  const uri = checkedUri(context, body);
  const { store } = context;
  await store.transaction(async (tx) => {
    const row = await load(tx, groupId, name);
    await refuseWhileActive(tx, row);
    const isSame = isSameUserAtSameCluster(clusters.openUri(store.sealer, row), uri);
    if (!isSame) await refuseWhileUnproven(tx, row);
    const sealed = store.sealer.seal(clusters.uriIdentity(row.id), uri);
    await clusters.setUri(tx, row.id, { uri_sealed: sealed, facts: null });
    await record(tx, principal, 'CLUSTER_UPDATE_COMPLETED', row);
  });
  return get(context, groupId, name, base);
}

/** Forgets a cluster; nothing is done to it. @throws {ApiError} 409 while it is used */
export async function remove(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  name: string,
): Promise<void> {
  await context.store.transaction(async (tx) => {
    const row = await load(tx, groupId, name);
    await refuseWhileActive(tx, row);
    await refuseWhileUnproven(tx, row);
    await clusters.remove(tx, row.id);
    await record(tx, principal, 'CLUSTER_DELETED', row);
  });
}

/** Connects to the cluster and keeps what it says of itself. */
export async function testConnection(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  name: string,
): Promise<ConnectionTestResult> {
  const { store, probe } = context;
  const row = await load(store.db, groupId, name);
  const uri = clusters.openUri(store.sealer, row);
  const result = await probe.test(uri, AbortSignal.timeout(CONNECTION_TEST_MS));
  await store.transaction(async (tx) => {
    if (result.ok) await clusters.keepFacts(tx, row, result);
    const detail = result.ok ? { ok: true } : { ok: false, code: result.code };
    await record(tx, principal, 'CLUSTER_CONNECTION_TESTED', row, detail);
  });
  return result;
}

/** @throws {ApiError} CLUSTER_NOT_FOUND unless the project has it (rule C9) */
export async function load(ex: Executor, groupId: string, name: string): Promise<ClusterRow> {
  const row = await clusters.findByName(ex, groupId, name);
  if (row === undefined) throw apiError('CLUSTER_NOT_FOUND', name, groupId);
  return row;
}

async function refuseWhileActive(tx: Executor, row: ClusterRow): Promise<void> {
  const uses =
    (await liveMigrations.listActive(tx, { cluster_id: row.id })).length +
    (await validations.listPendingOfCluster(tx, row.id)).length;
  if (uses > 0) throw apiError('CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT');
}

/** A session that may still have writes under way needs the cluster to prove that it has none. */
async function refuseWhileUnproven(tx: Executor, row: ClusterRow): Promise<void> {
  const uses =
    (await liveMigrations.listDropping(tx, { cluster_id: row.id })).length +
    (await pushSessions.listOpen(tx, { cluster_id: row.id })).length;
  if (uses > 0) throw apiError('CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT');
}

/** The connection string to keep, with the authorities that belong to it. */
function checkedUri(context: OperationContext, body: UpdateCluster): string {
  const { connectionString, tlsCA = null } = body;
  let attribute: keyof UpdateCluster = 'connectionString';
  try {
    checkDestinationUri(connectionString, context.allowedNetworks);
    attribute = 'tlsCA';
    return withTlsCa(connectionString, tlsCA);
  } catch (error) {
    if (!(error instanceof DestinationUriError)) throw error;
    throw attributeError('INVALID_ATTRIBUTE', attribute, error.message);
  }
}

async function record(
  tx: Executor,
  principal: Principal,
  type:
    | 'CLUSTER_CREATED'
    | 'CLUSTER_UPDATE_COMPLETED'
    | 'CLUSTER_CONNECTION_TESTED'
    | 'CLUSTER_DELETED',
  row: ClusterRow,
  detail: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const project = await projects.find(tx, row.project_id);
  await events.record(tx, {
    type,
    orgId: project?.org_id ?? principal.orgId,
    projectId: row.project_id,
    actor: actorOf(principal),
    targetId: row.id,
    detail: { ...detail, clusterName: row.name },
  });
}

function toCluster(context: OperationContext, row: ClusterRow, base: string): Cluster {
  const facts = clusters.factsOf(row);
  return {
    created: apiTime(row.created_at),
    fence: facts.fence ?? null,
    groupId: row.project_id,
    hosts: hostsOf(clusters.openUri(context.store.sealer, row)),
    id: row.id,
    links: [{ href: `${base}/groups/${row.project_id}/clusters/${row.name}`, rel: 'self' }],
    mongoDBVersion: facts.mongoDBVersion ?? null,
    name: row.name,
    topology: facts.topology ?? null,
  };
}
