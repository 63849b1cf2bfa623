import type { LiveMigration, LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import type { Progress, Source } from '@linkspan/contract/push/messages.ts';
import type { Principal } from '../domain/access.ts';
import { apiError } from '@linkspan/contract/serving/apiError.ts';
import { newId } from '../domain/ids.ts';
import { isReadyForCutover, lagSeconds, type ProgressState } from '../domain/progress.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as projects from '../store/projects.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import { type MigrationRequest, resolveRequest } from './migrationRequest.ts';

/** Makes a live migration; its migration host takes it up with its next poll. */
export async function create(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  body: MigrationRequest,
): Promise<LiveMigration> {
  const { store, work } = context;
  const id = newId();
  const row = await store.transaction(async (tx) => {
    const resolved = await resolveRequest(tx, groupId, body);
    const { link, host, cluster, source, password, orgId } = resolved;
    if ((await liveMigrations.listActive(tx, { cluster_id: cluster.id })).length > 0) {
      throw apiError('CANNOT_MODIFY_CLUSTER_WITH_RUNNING_LIVE_IMPORT');
    }
    const created: LiveMigrationRow = {
      id,
      project_id: groupId,
      link_id: link.id,
      host_id: host.id,
      hostname: host.hostname,
      cluster_id: cluster.id,
      source: JSON.stringify(source),
      password_sealed:
        password === null ? null : store.sealer.seal(liveMigrations.passwordIdentity(id), password),
      status: 'NEW',
      drop_destination_data: resolved.dropDestinationData ? 1 : 0,
      destination_prepared: 0,
      cutover_attempt: 0,
      cutover_failed_attempt: 0,
      cutover_failure: null,
      failure_reason: null,
      epoch: 0,
      progress: null,
      progress_at: null,
      verified: null,
      created_at: timestamp(),
      finished_at: null,
      paused_at: null,
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
  const names = await clusterNames(db, groupId);
  const rows = await liveMigrations.listByProject(db, groupId);
  return rows.map((row) => toDetail(row, names));
}

export async function detail(
  context: OperationContext,
  groupId: string,
  id: string,
): Promise<LiveMigrationDetail> {
  const { db } = context.store;
  return toDetail(await load(db, groupId, id), await clusterNames(db, groupId));
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
      type: 'LIVE_MIGRATION_CUTOVER_REQUESTED',
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

async function load(ex: Executor, groupId: string, id: string): Promise<LiveMigrationRow> {
  const row = await liveMigrations.findInProject(ex, groupId, id);
  if (row === undefined) {
    throw apiError('RESOURCE_NOT_FOUND', `/groups/${groupId}/liveMigrations/${id}`);
  }
  return row;
}

async function clusterNames(ex: Executor, groupId: string): Promise<ReadonlyMap<string, string>> {
  const rows = await clusters.listByProject(ex, groupId);
  return new Map(rows.map((row) => [row.id, row.name]));
}

function isCuttingOver(row: LiveMigrationRow): boolean {
  return row.cutover_attempt > row.cutover_failed_attempt && row.status === 'WORKING';
}

function whyNotReady(row: LiveMigrationRow): string {
  const { progress } = progressState(row);
  if (progress === null) return 'its migration host has not reported any progress yet';
  if (progress.readyForCutover) return 'its migration host has not been heard of for a minute';
  return progress.waitingFor ?? `it is ${progress.phase}, ${progress.keysPending} changes pending`;
}

function progressState(row: LiveMigrationRow): ProgressState {
  const progress = row.progress === null ? null : (JSON.parse(row.progress) as Progress);
  return { status: row.status, progress, progressAt: row.progress_at };
}

function toLiveMigration(row: LiveMigrationRow): LiveMigration {
  const state = progressState(row);
  const now = new Date();
  return {
    _id: row.id,
    lagTimeSeconds: lagSeconds(state, now),
    migrationHosts: [row.hostname],
    readyForCutover: isReadyForCutover(state, now),
    status: row.status,
  };
}

function toDetail(row: LiveMigrationRow, names: ReadonlyMap<string, string>): LiveMigrationDetail {
  const source = JSON.parse(row.source) as Omit<Source, 'password'>;
  return {
    ...toLiveMigration(row),
    created: apiTime(row.created_at),
    cutover: {
      attempt: row.cutover_attempt,
      failure: row.cutover_failure,
      underWay: isCuttingOver(row),
    },
    destination: { clusterName: names.get(row.cluster_id) ?? null, groupId: row.project_id },
    dropDestinationData: row.drop_destination_data === 1,
    failureReason: row.failure_reason,
    finished: row.finished_at === null ? null : apiTime(row.finished_at),
    progress: progressState(row).progress,
    progressReported: row.progress_at === null ? null : apiTime(row.progress_at),
    source: { clusterName: source.clusterName, groupId: source.projectId },
    verified:
      row.verified === null ? null : (JSON.parse(row.verified) as LiveMigrationDetail['verified']),
  };
}
