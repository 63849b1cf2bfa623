import type {
  CreateLiveMigrationOwn,
  LiveMigration,
  LiveMigrationDetail,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Principal } from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { isReadyForCutover } from '../domain/progress.ts';
import { changedThrottle } from '../domain/throttle.ts';
import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as projects from '../store/projects.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import {
  isCuttingOver,
  progressState,
  surroundings,
  toDetail,
  toLiveMigration,
  whyNotReady,
} from './liveMigrationView.ts';
import { namespacesToKeep } from './migrationNamespaces.ts';
import { type MigrationRequest, resolveRequest } from './migrationRequest.ts';

/** What only Linkspan's own create has. */
export type OwnSettings = Pick<
  CreateLiveMigrationOwn,
  'blockSourceWrites' | 'namespaces' | 'throttle' | 'verification' | 'windowHours'
>;

/** Makes a live migration; its migration host takes it up with its next poll. */
export async function create(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: MigrationRequest,
  own: OwnSettings = {},
): Promise<LiveMigration> {
  const { store, work } = context;
  const throttle = changedThrottle(null, own.throttle ?? null);
  const namespaces = namespacesToKeep(own.namespaces);
  const id = newId();
  const row = await store.transaction(async (tx) => {
    const resolved = await resolveRequest(tx, groupId, body);
    const { link, host, cluster, source, password, orgId } = resolved;
    const using = { cluster_id: cluster.id };
    const busy =
      (await liveMigrations.listActive(tx, using)).length +
      (await liveMigrations.listDropping(tx, using)).length;
    if (busy > 0) {
      throw apiError('CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT');
    }
    const created: LiveMigrationRow = {
      ...liveMigrations.NEW_LIVE_MIGRATION,
      id,
      project_id: groupId,
      link_id: link.id,
      host_id: host.id,
      hostname: host.hostname,
      cluster_id: cluster.id,
      source: JSON.stringify(source),
      password_sealed:
        password === null ? null : store.sealer.seal(liveMigrations.passwordIdentity(id), password),
      drop_destination_data: resolved.dropDestinationData ? 1 : 0,
      created_at: timestamp(),
      namespaces,
      throttle: throttle === null ? null : JSON.stringify(throttle),
      window_hours: own.windowHours ?? context.windowHours,
      block_source_writes: own.blockSourceWrites === true ? 1 : 0,
      cutover_verification: own.verification ?? 'CHANGED',
    };
    await liveMigrations.insert(tx, created);
    await events.record(tx, {
      type: 'LIVE_MIGRATION_CREATED',
      orgId,
      projectId: groupId,
      actor: actorOf(principal),
      targetId: id,
      detail: {
        clusterName: cluster.name,
        migrationHost: host.hostname,
        sourceGroupId: source.projectId,
        sourceClusterName: source.clusterName,
        dropDestinationData: resolved.dropDestinationData,
        ...(namespaces !== null && { namespaces: JSON.parse(namespaces) as unknown }),
        ...(throttle !== null && { throttle }),
        ...(created.block_source_writes === 1 ? { blockSourceWrites: true } : {}),
        ...(created.cutover_verification === 'FULL' ? { verification: 'FULL' } : {}),
      },
    });
    return created;
  });
  if (row.link_id !== null) work.changed(row.link_id);
  return toLiveMigration(row);
}

export async function get(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<LiveMigration> {
  return toLiveMigration(await load(context.store.db, groupId, id));
}

/** All of the project, the newest first, with everything that is known of them. */
export async function list(
  context: OperationContext,
  groupId: string,
): Promise<LiveMigrationDetail[]> {
  const { db } = context.store;
  const around = await surroundings(db, groupId);
  const rows = await liveMigrations.listByProject(db, groupId);
  return rows.map((row) => toDetail(row, around));
}

export async function detail(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<LiveMigrationDetail> {
  const { db } = context.store;
  return toDetail(await load(db, groupId, id), await surroundings(db, groupId));
}

/**
 * Asks for the cutover. Asking again while it is under way changes nothing.
 * @throws {ApiError} 409 if the migration has ended or is not ready
 */
export async function cutOver(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
): Promise<void> {
  const { store, work } = context;
  const row = await store.transaction(async (tx) => {
    const found = await load(tx, groupId, id);
    if (found.status !== 'NEW' && found.status !== 'WORKING') {
      throw apiError('LIVE_MIGRATION_NOT_ACTIVE', id, found.status);
    }
    if (isCuttingOver(found)) return found;
    if (!isReadyForCutover(progressState(found), new Date())) {
      throw apiError('LIVE_MIGRATION_NOT_READY_FOR_CUTOVER', id, whyNotReady(found));
    }
    const attempt = await liveMigrations.requestCutover(tx, id);
    const project = await projects.find(tx, groupId);
    await events.record(tx, {
      type: 'CLUSTER_IMPORT_CUTOVER',
      orgId: project?.org_id ?? principal.orgId,
      projectId: groupId,
      actor: actorOf(principal),
      targetId: id,
      detail: { attempt },
    });
    return found;
  });
  if (row.link_id !== null) work.changed(row.link_id);
}

/** @throws {ApiError} 404 if the project has no such migration (rule C9) */
export async function load(ex: Executor, groupId: string, id: string): Promise<LiveMigrationRow> {
  const row = await liveMigrations.findInProject(ex, groupId, id);
  if (row === undefined) {
    throw apiError('RESOURCE_NOT_FOUND', `/groups/${groupId}/liveMigrations/${id}`);
  }
  return row;
}
