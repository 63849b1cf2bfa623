import type { Progress } from '@linkspan/contract/push/progress.ts';
import type {
  Complete,
  CutoverFailed,
  Fail,
  MigrationStatus,
  MigrationStatusReply,
} from '@linkspan/contract/push/session.ts';
import type { Verification } from '@linkspan/contract/push/verification.ts';

import { timestamp } from '../domain/time.ts';
import { endOf } from '../domain/window.ts';
import * as events from '../store/events.ts';
import type { EventType } from '../domain/eventTypes.ts';
import type { Executor } from '../store/executor.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationVerifications from '../store/migrationVerifications.ts';
import * as migrationWindows from '../store/migrationWindows.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import type { HostPrincipal } from './authenticate.ts';
import type { GatewayContext } from './context.ts';
import { PAUSED, PushError } from './errors.ts';
import { settleSessions } from './fence.ts';
import type { SessionClaim } from './claims.ts';
import { MIGRATION_ENDED } from './leases.ts';

/** The session that reports, and its host. */
export interface Reporter {
  readonly principal: HostPrincipal;
  readonly claim: SessionClaim;
}

/** Keeps the progress of a running migration; the first that is ready begins its window. @throws {PushError} */
export async function reportProgress(
  { store }: GatewayContext,
  reporter: Reporter,
  progress: Progress,
): Promise<void> {
  const { migrationId, epoch } = reporter.claim;
  const { verification, sourceWriteBlock, ...rest } = progress;
  const json = JSON.stringify(rest);
  const at = timestamp();
  const isMore =
    rest.readyForCutover || verification !== undefined || sourceWriteBlock !== undefined;
  const isKept = isMore
    ? await store.transaction(async (tx) => {
        if (!(await liveMigrations.setProgress(tx, migrationId, epoch, json, at))) return false;
        if (verification !== undefined) await keepVerification(tx, reporter, verification);
        if (sourceWriteBlock !== undefined) {
          const answering = sourceWriteBlock ? reporter.principal.host.id : null;
          await liveMigrations.setWriteBlockHost(tx, migrationId, answering);
        }
        const begins = rest.readyForCutover && (await migrationWindows.begin(tx, migrationId, at));
        if (begins) await recordWindow(tx, reporter);
        return true;
      })
    : await liveMigrations.setProgress(store.db, migrationId, epoch, json, at);
  if (isKept) return;
  const row = await liveMigrations.find(store.db, migrationId);
  checkCurrent(row, epoch);
  // A runner that has nothing to push learns of it here; an unlinked host is told by all else.
  if (row.paused_at !== null) throw PAUSED;
}

/** What was compared; an event tells when history was lost (rule D1). */
async function keepVerification(
  tx: Executor,
  reporter: Reporter,
  verification: Verification,
): Promise<void> {
  const { migrationId } = reporter.claim;
  const { keep, noteLosses } = migrationVerifications;
  await keep(tx, migrationId, JSON.stringify(verification));
  if (!(await noteLosses(tx, migrationId, verification.historyLosses))) return;
  const row = await liveMigrations.find(tx, migrationId);
  if (row === undefined) return;
  const { historyLosses } = verification;
  await record(tx, reporter, row, 'LIVE_MIGRATION_HISTORY_LOST', { historyLosses });
}

/** Keeps the progress of a paused migration, which its host goes on following. @throws {PushError} */
export async function reportPaused(
  { store }: GatewayContext,
  { host }: HostPrincipal,
  migrationId: string,
  { verification, ...progress }: Progress,
): Promise<void> {
  const json = JSON.stringify({ ...progress, readyForCutover: false } satisfies Progress);
  const { setHostProgress, findOfHost, ACTIVE } = liveMigrations;
  const its = { id: migrationId, host_id: host.id };
  if (await setHostProgress(store.db, its, { paused: true }, json, timestamp())) {
    if (verification === undefined) return;
    await migrationVerifications.keep(store.db, migrationId, JSON.stringify(verification));
    return;
  }
  // One that goes on already is told so by the list of work.
  const row = await findOfHost(store.db, host.id, migrationId);
  if (row !== undefined && ACTIVE.includes(row.status)) return;
  throw new PushError('MIGRATION_NOT_ACTIVE', 'The live migration has ended.');
}

/**
 * For a host that does not know whether its last word was taken, or what became of a migration while it
 * was away. With `fence`, in one transaction with the answer, no earlier session of it completes the
 * migration any more. @throws {PushError}
 */
export async function migrationStatus(
  { store }: GatewayContext,
  { host, link }: HostPrincipal,
  migrationId: string,
  { fence }: MigrationStatus,
): Promise<MigrationStatusReply> {
  const find = (ex: Executor) => liveMigrations.findOfLink(ex, link.id, migrationId);
  const row =
    fence === true
      ? await store.transaction(async (tx) => {
          const found = await find(tx);
          // One that is NEW has had no session; one of another host has fenced this one by going there.
          if (found?.status === 'WORKING') await liveMigrations.nextEpoch(tx, migrationId, host.id);
          return found;
        })
      : await find(store.db);
  if (row === undefined) {
    throw new PushError('MIGRATION_NOT_ACTIVE', 'The live migration is not known to this host.');
  }
  const { status } = row;
  if (row.host_id === host.id) return { status };
  const isLeft = row.write_block_host_id === host.id;
  return { status, elsewhere: true, ...(isLeft && { writeBlockLeft: true as const }) };
}

/**
 * Keeps the progress of a migration that waits for its push session, and says what for: the
 * destination may not answer for hours. @throws {PushError}
 */
export async function reportWaiting(
  { store }: GatewayContext,
  { host }: HostPrincipal,
  migrationId: string,
  progress: Progress,
): Promise<void> {
  const json = JSON.stringify({ ...progress, readyForCutover: false } satisfies Progress);
  const { setHostProgress, findOfHost, ACTIVE } = liveMigrations;
  const its = { id: migrationId, host_id: host.id };
  if (await setHostProgress(store.db, its, { paused: false }, json, timestamp())) return;
  const row = await findOfHost(store.db, host.id, migrationId);
  if (row === undefined || !ACTIVE.includes(row.status)) {
    throw new PushError('MIGRATION_NOT_ACTIVE', 'The live migration has ended.');
  }
  if (row.paused_at !== null) throw PAUSED;
}

/** The cutover is done: the migration becomes COMPLETE. Idempotent. @throws {PushError} */
export async function complete(
  context: GatewayContext,
  reporter: Reporter,
  { cutoverAttempt, verified, verification }: Complete,
): Promise<void> {
  const { migrationId, epoch } = reporter.claim;
  await context.store.transaction(async (tx) => {
    const row = await liveMigrations.find(tx, migrationId);
    const repeated = row?.status === 'COMPLETE' && row.cutover_attempt === cutoverAttempt;
    if (repeated && row.epoch === epoch) return;
    checkCurrent(row, epoch);
    const json = JSON.stringify(verified);
    if (!(await liveMigrations.setComplete(tx, migrationId, cutoverAttempt, json, timestamp()))) {
      throw notUnderWay(cutoverAttempt);
    }
    if (verification !== undefined) await keepVerification(tx, reporter, verification);
    await record(tx, reporter, row, 'LIVE_MIGRATION_COMPLETED', { cutoverAttempt, verified });
  });
  end(context, migrationId);
}

/** The attempt failed and the migration goes on. Idempotent. @throws {PushError} */
export async function cutoverFailed(
  context: GatewayContext,
  reporter: Reporter,
  { cutoverAttempt, reason }: CutoverFailed,
): Promise<void> {
  const { migrationId, epoch } = reporter.claim;
  await context.store.transaction(async (tx) => {
    const row = await liveMigrations.find(tx, migrationId);
    checkCurrent(row, epoch);
    if (row.cutover_failed_attempt === cutoverAttempt) return;
    if (!(await liveMigrations.setCutoverFailed(tx, migrationId, cutoverAttempt, reason))) {
      throw notUnderWay(cutoverAttempt);
    }
    const detail = { cutoverAttempt, reason };
    await record(tx, reporter, row, 'LIVE_MIGRATION_CUTOVER_FAILED', detail);
  });
  context.announce(reporter.principal.link.id);
}

/** The migration cannot go on: it becomes FAILED. Idempotent. @throws {PushError} */
export async function fail(
  context: GatewayContext,
  reporter: Reporter,
  { reason }: Fail,
): Promise<void> {
  const { migrationId, epoch } = reporter.claim;
  await context.store.transaction(async (tx) => {
    const row = await liveMigrations.find(tx, migrationId);
    if (row?.status === 'FAILED' && row.epoch === epoch) return;
    checkCurrent(row, epoch);
    await liveMigrations.setEnded(tx, migrationId, 'FAILED', reason, timestamp());
    await record(tx, reporter, row, 'LIVE_MIGRATION_FAILED', { reason });
  });
  end(context, migrationId);
}

/** The sessions of an ended migration go in the background: nothing new can be sent at once. */
function end(context: GatewayContext, migrationId: string): void {
  const { log, stopping } = context;
  settleSessions(context, { migrationId }, MIGRATION_ENDED, stopping).catch((error: unknown) => {
    log.error({ err: error, migrationId }, 'the sessions of an ended migration are not settled');
  });
}

/** @throws {PushError} MIGRATION_NOT_ACTIVE, SESSION_FENCED */
function checkCurrent(
  row: LiveMigrationRow | undefined,
  epoch: number,
): asserts row is LiveMigrationRow {
  if (row === undefined || !liveMigrations.ACTIVE.includes(row.status)) {
    throw MIGRATION_ENDED;
  }
  if (row.epoch !== epoch) {
    throw new PushError('SESSION_FENCED', 'A newer push session of the migration was opened.');
  }
}

function notUnderWay(attempt: number): PushError {
  return new PushError('MESSAGE_INVALID', `cutoverAttempt: attempt ${attempt} is not under way.`);
}

async function recordWindow(tx: Executor, reporter: Reporter): Promise<void> {
  const row = await liveMigrations.find(tx, reporter.claim.migrationId);
  if (row === undefined) return;
  const windowHours = row.window_hours;
  const expires = endOf(row)?.toISOString();
  await record(tx, reporter, row, 'LIVE_MIGRATION_WINDOW_BEGAN', { windowHours, expires });
}

async function record(
  tx: Executor,
  { principal }: Reporter,
  row: LiveMigrationRow,
  type: EventType,
  detail: Readonly<Record<string, unknown>>,
): Promise<void> {
  await events.record(tx, {
    type,
    orgId: principal.link.org_id,
    projectId: row.project_id,
    actor: { hostId: principal.host.id, remoteAddress: principal.remoteAddress },
    targetId: row.id,
    detail,
  });
}
