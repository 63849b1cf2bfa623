import type {
  LiveMigrationDetail,
  ThrottleChange,
  UpdateLiveMigration,
} from '@linkspan/contract/api/liveMigrations.ts';
import type { Throttle } from '@linkspan/contract/push/work.ts';
import { apiError, attributeError } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { changedThrottle } from '../domain/throttle.ts';
import { endOf, isOver } from '../domain/window.ts';
import { apiTime, timestamp } from '../domain/time.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as migrationWindows from '../store/migrationWindows.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import { detail, load } from './liveMigrations.ts';

/**
 * Changes what may be changed of a live migration that runs; its migration host follows with its next
 * poll. What is so already is no change.
 * @throws {ApiError} 400 without an attribute, or if the window would be over; 409 if it has ended
 */
export async function update(
  context: OperationContext,
  principal: Principal,
  groupId: string,
  id: string,
  change: UpdateLiveMigration,
): Promise<LiveMigrationDetail> {
  if (change.throttle === undefined && change.windowHours === undefined) {
    throw apiError('MISSING_ONE_OF_ATTRIBUTES', 'throttle, windowHours');
  }
  const { store, work } = context;
  const row = await store.transaction(async (tx) => {
    const found = await load(tx, groupId, id);
    if (!liveMigrations.ACTIVE.includes(found.status)) {
      throw apiError('LIVE_MIGRATION_NOT_ACTIVE', id, found.status);
    }
    await changeThrottle(tx, principal, found, change.throttle);
    await changeWindow(tx, principal, found, change.windowHours);
    return found;
  });
  if (row.link_id !== null) work.changed(row.link_id);
  return detail(context, groupId, id);
}

async function changeThrottle(
  tx: Executor,
  principal: Principal,
  row: LiveMigrationRow,
  change: ThrottleChange | null | undefined,
): Promise<void> {
  if (change === undefined) return;
  const before = row.throttle === null ? null : (JSON.parse(row.throttle) as Throttle);
  const throttle = changedThrottle(before, change);
  const json = throttle === null ? null : JSON.stringify(throttle);
  if (json === row.throttle) return;
  await liveMigrations.setThrottle(tx, row.id, json);
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_THROTTLE_CHANGED', actorOf(principal), {
    throttle,
  });
}

async function changeWindow(
  tx: Executor,
  principal: Principal,
  row: LiveMigrationRow,
  hours: number | undefined,
): Promise<void> {
  if (hours === undefined) return;
  const after = { ...row, window_hours: hours, window_warned_hours: null };
  const end = endOf(after);
  if (isOver(after, new Date())) {
    throw attributeError(
      'INVALID_ATTRIBUTE',
      'windowHours',
      `the window began at ${apiTime(row.window_began_at ?? '')}, and would be over already: cancel the live migration to end it`,
    );
  }
  if (!(await migrationWindows.setHours(tx, row.id, hours))) return;
  const expires = end === null ? null : apiTime(timestamp(end));
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_WINDOW_CHANGED', actorOf(principal), {
    windowHours: hours,
    expires,
  });
}
