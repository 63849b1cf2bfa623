import type {
  LiveMigration,
  LiveMigrationDetail,
  LiveMigrationState,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Progress } from '@linkspan/contract/push/progress.ts';
import type { Source, Throttle } from '@linkspan/contract/push/work.ts';
import {
  isReadyForCutover,
  lagSeconds,
  type ProgressState,
  shownProgress,
  warningsOf,
} from '../domain/progress.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import { endOf, windowWarning } from '../domain/window.ts';
import * as clusters from '../store/clusters.ts';
import type { Executor } from '../store/executor.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import * as subLeases from '../store/subLeases.ts';
import type { Moved } from './hostMoves.ts';
import { keptNamespaces } from './migrationNamespaces.ts';

export function isCuttingOver(row: LiveMigrationRow): boolean {
  return row.cutover_attempt > row.cutover_failed_attempt && row.status === 'WORKING';
}

/** Why it cannot be cut over now, for people. */
export function whyNotReady(row: LiveMigrationRow): string {
  const { progress } = progressState(row);
  if (row.paused_at !== null) return 'it is paused; resume it first';
  if (progress === null) return 'its migration host has not reported any progress yet';
  if (progress.readyForCutover) return 'its migration host has not been heard of for a minute';
  const { phase, keysPending, waitingFor } = progress;
  const stands = `it is ${phase}, ${keysPending} changes pending`;
  return waitingFor === null ? stands : `${stands}; it waits: ${waitingFor}`;
}

export function progressState(row: LiveMigrationRow): ProgressState {
  const progress = row.progress === null ? null : (JSON.parse(row.progress) as Progress);
  const { status, progress_at: progressAt } = row;
  return { status, isPaused: row.paused_at !== null, progress, progressAt };
}

/** As Atlas shows it. */
export function toLiveMigration(row: LiveMigrationRow): LiveMigration {
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

/** What of a project's live migrations stands elsewhere. */
export interface Surroundings {
  /** By the ids of its clusters. */
  readonly clusterNames: ReadonlyMap<string, string>;
  /** By migrations. */
  readonly copyingHosts: ReadonlyMap<string, readonly string[]>;
}

export async function surroundings(ex: Executor, groupId: string): Promise<Surroundings> {
  const rows = await clusters.listByProject(ex, groupId);
  return {
    clusterNames: new Map(rows.map((row) => [row.id, row.name])),
    copyingHosts: await subLeases.hostnamesByMigration(ex, groupId),
  };
}

/** With everything that is known of it. */
export function toDetail(
  row: LiveMigrationRow,
  { clusterNames, copyingHosts }: Surroundings,
): LiveMigrationDetail {
  const source = JSON.parse(row.source) as Omit<Source, 'password'>;
  const state = progressState(row);
  const now = new Date();
  const end = endOf(row);
  const warning = isActive(row) ? windowWarning(row) : null;
  return {
    ...toLiveMigration(row),
    blockSourceWrites: row.block_source_writes === 1,
    copiedData: row.copied_data,
    copyingHosts: [...(copyingHosts.get(row.id) ?? [])],
    created: apiTime(row.created_at),
    cutover: {
      attempt: row.cutover_attempt,
      failure: row.cutover_failure,
      underWay: isCuttingOver(row),
    },
    destination: { clusterName: clusterNames.get(row.cluster_id) ?? null, groupId: row.project_id },
    dropDestinationData: row.drop_destination_data === 1,
    expires: end === null ? null : apiTime(timestamp(end)),
    failureReason: row.failure_reason,
    finished: row.finished_at === null ? null : apiTime(row.finished_at),
    namespaces: keptNamespaces(row),
    paused: row.paused_at === null || !isActive(row) ? null : apiTime(row.paused_at),
    progress: shownProgress(state, now),
    progressReported: row.progress_at === null ? null : apiTime(row.progress_at),
    source: { clusterName: source.clusterName, groupId: source.projectId },
    state: stateOf(row),
    throttle: throttleOf(row),
    verification: row.cutover_verification,
    verified:
      row.verified === null ? null : (JSON.parse(row.verified) as LiveMigrationDetail['verified']),
    warnings: [
      ...(warning === null ? [] : [warning]),
      ...movedWarning(row),
      ...warningsOf(state, now),
    ],
    windowHours: row.window_hours,
  };
}

/** Without any limit where none is kept. */
export function throttleOf({ throttle }: LiveMigrationRow): Throttle {
  return throttle === null
    ? { bytesPerSecond: null, documentsPerSecond: null }
    : (JSON.parse(throttle) as Throttle);
}

function stateOf(row: LiveMigrationRow): LiveMigrationState {
  if (row.canceled_at !== null) return 'CANCELED';
  if (!isActive(row)) return row.status;
  if (row.paused_at !== null) return 'PAUSED';
  return isCuttingOver(row) ? 'CUTTING_OVER' : row.status;
}

function movedWarning(row: LiveMigrationRow): string[] {
  if (row.moved === null || !isActive(row)) return [];
  const { from, at, reason } = JSON.parse(row.moved) as Moved;
  return [
    `At ${apiTime(at)} it was given from migration host ${from} to ${row.hostname}: ${reason} What was at the destination by then is compared in full and repaired.`,
  ];
}

function isActive({ status }: LiveMigrationRow): boolean {
  return status === 'NEW' || status === 'WORKING';
}
