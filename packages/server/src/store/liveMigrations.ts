import type { ExpressionBuilder } from 'kysely';
import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { LiveMigrationRow, LiveMigrationStatus, Schema } from './schema.ts';

/** A migration that has not ended. */
export const ACTIVE: readonly LiveMigrationStatus[] = ['NEW', 'WORKING'];

/** What holds of every migration at first, whatever was asked for. */
export const NEW_LIVE_MIGRATION = {
  status: 'NEW',
  destination_prepared: 0,
  cutover_attempt: 0,
  cutover_failed_attempt: 0,
  cutover_failure: null,
  failure_reason: null,
  epoch: 0,
  structure_epoch: 0,
  structure_number: 0,
  progress: null,
  progress_at: null,
  verified: null,
  finished_at: null,
  paused_at: null,
  canceled_at: null,
  window_began_at: null,
  window_warned_hours: null,
  copied_data: null,
  verification: null,
  verify_attempt: 0,
  repair_attempt: 0,
  history_losses: 0,
  host_changes: 0,
  write_block_host_id: null,
  moved: null,
  restored_at: null,
} as const satisfies Partial<LiveMigrationRow>;

/** The identity that the source password of a migration is sealed with. */
export function passwordIdentity(id: string): string {
  return `live_migrations.password/${id}`;
}

/** The password given in the request, or null if there was none or it is erased. */
export function openPassword(sealer: Sealer, row: LiveMigrationRow): string | null {
  return row.password_sealed === null
    ? null
    : sealer.open(passwordIdentity(row.id), row.password_sealed);
}

export async function insert(ex: Executor, row: LiveMigrationRow): Promise<void> {
  await ex.insertInto('live_migrations').values(row).execute();
}

export async function findInProject(
  ex: Executor,
  projectId: string,
  id: string,
): Promise<LiveMigrationRow | undefined> {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** A migration that this host was given. */
export async function findOfHost(
  ex: Executor,
  hostId: string,
  id: string,
): Promise<LiveMigrationRow | undefined> {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** A migration that some host of this link was given. */
export async function findOfLink(
  ex: Executor,
  linkId: string,
  id: string,
): Promise<LiveMigrationRow | undefined> {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('link_id', '=', linkId)
    .where('id', '=', id)
    .executeTakeFirst();
}

/** By id alone: only for ids that come from a row of the store, never from a request (rule C9). */
export async function find(ex: Executor, id: string): Promise<LiveMigrationRow | undefined> {
  return ex.selectFrom('live_migrations').selectAll().where('id', '=', id).executeTakeFirst();
}

/** All of the project, the newest first. */
export async function listByProject(ex: Executor, projectId: string): Promise<LiveMigrationRow[]> {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .execute();
}

/** Those that have not ended, the oldest first. */
function selectActive(ex: Executor) {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('status', 'in', ACTIVE)
    .orderBy('created_at')
    .orderBy('id');
}

/** Migrations that have not ended, of one host, link, cluster or project. */
export async function listActive(
  ex: Executor,
  of: Partial<Pick<LiveMigrationRow, 'host_id' | 'link_id' | 'cluster_id' | 'project_id'>>,
): Promise<LiveMigrationRow[]> {
  let query = selectActive(ex);
  if (of.host_id !== undefined) query = query.where('host_id', '=', of.host_id);
  if (of.link_id !== undefined) query = query.where('link_id', '=', of.link_id);
  if (of.cluster_id !== undefined) query = query.where('cluster_id', '=', of.cluster_id);
  if (of.project_id !== undefined) query = query.where('project_id', '=', of.project_id);
  return query.execute();
}

/** The same of several hosts. */
export async function listActiveOfHosts(
  ex: Executor,
  hostIds: readonly string[],
): Promise<LiveMigrationRow[]> {
  return selectActive(ex).where('host_id', 'in', hostIds).execute();
}

/** Those of a host, for a locking transaction: nobody changes them until it ends. */
export async function listActiveForUpdate(
  tx: Executor,
  hostId: string,
): Promise<LiveMigrationRow[]> {
  return selectActive(tx).where('host_id', '=', hostId).forUpdate().execute();
}

/** Canceled migrations of which the copied data is still to be dropped, of one link or cluster. */
export async function listDropping(
  ex: Executor,
  of: Partial<Pick<LiveMigrationRow, 'link_id' | 'cluster_id'>> = {},
): Promise<LiveMigrationRow[]> {
  let query = ex.selectFrom('live_migrations').selectAll().where('copied_data', '=', 'DROPPING');
  if (of.link_id !== undefined) query = query.where('link_id', '=', of.link_id);
  if (of.cluster_id !== undefined) query = query.where('cluster_id', '=', of.cluster_id);
  return query.orderBy('created_at').orderBy('id').execute();
}

/** Migrations that have not ended, of all projects of the organization. */
export async function listActiveOfOrganization(
  ex: Executor,
  orgId: string,
): Promise<LiveMigrationRow[]> {
  const projects = ex.selectFrom('projects').select('id').where('org_id', '=', orgId);
  return selectActive(ex).where('project_id', 'in', projects).execute();
}

/**
 * Takes the next epoch, for a session that is about to open; NEW becomes WORKING.
 * @param hostId whose it has to be still; absent: anybody's
 * @returns the epoch, or null if the migration has ended or is another host's
 */
export async function nextEpoch(ex: Executor, id: string, hostId?: string): Promise<number | null> {
  let query = ex
    .updateTable('live_migrations')
    .set((eb) => ({ epoch: eb('epoch', '+', 1), status: 'WORKING' as const }))
    .where('id', '=', id)
    .where('status', 'in', ACTIVE);
  if (hostId !== undefined) query = query.where('host_id', '=', hostId);
  const row = await query.returning('epoch').executeTakeFirst();
  return row?.epoch ?? null;
}

/** Before a structural request is carried out in a session; what is newer stays (rule D11). */
export async function setLastStructure(
  ex: Executor,
  id: string,
  { epoch, number }: { readonly epoch: number; readonly number: number },
): Promise<void> {
  await ex
    .updateTable('live_migrations')
    .set({ structure_epoch: epoch, structure_number: number })
    .where('id', '=', id)
    .where((eb) =>
      eb.or([
        eb('structure_epoch', '<', epoch),
        eb('structure_epoch', '=', epoch).and('structure_number', '<', number),
      ]),
    )
    .execute();
}

/**
 * Gives an active migration to another host. Its epoch grows, so that no session that was opened before
 * reports or writes any more (invariant I5).
 * @param moved JSON for `moved`
 * @returns false if it has ended, or is not that host's any more
 */
export async function setHost(
  ex: Executor,
  { id, host_id: from }: Pick<LiveMigrationRow, 'id' | 'host_id'>,
  to: Pick<LiveMigrationRow, 'host_id' | 'hostname'>,
  moved: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set((eb) => ({
      host_id: to.host_id,
      hostname: to.hostname,
      moved,
      epoch: eb('epoch', '+', 1),
      host_changes: eb('host_changes', '+', 1),
    }))
    .where('id', '=', id)
    .where('host_id', '=', from)
    .where('status', 'in', ACTIVE)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Takes the next epoch for a session of the server's own, of a canceled migration whose copied data is
 * to be dropped.
 * @returns the epoch, or null if there is nothing to be dropped any more
 */
export async function nextDroppingEpoch(ex: Executor, id: string): Promise<number | null> {
  const row = await ex
    .updateTable('live_migrations')
    .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
    .where('id', '=', id)
    .where('copied_data', '=', 'DROPPING')
    .returning('epoch')
    .executeTakeFirst();
  return row?.epoch ?? null;
}

/** @returns false if nothing of the migration is to be dropped any more */
export async function endDropping(
  ex: Executor,
  id: string,
  outcome: 'DROPPED' | 'KEPT',
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ copied_data: outcome })
    .where('id', '=', id)
    .where('copied_data', '=', 'DROPPING')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** What the destination held was dropped, or nothing had to be. */
export async function setPrepared(ex: Executor, id: string): Promise<void> {
  await ex
    .updateTable('live_migrations')
    .set({ destination_prepared: 1 })
    .where('id', '=', id)
    .execute();
}

/** Hosts whose reports are too late, even one that was sent before its host was unlinked. */
function unlinkedHosts(ex: Executor) {
  return ex.selectFrom('migration_hosts').select('id').where('unlinked_at', 'is not', null);
}

/**
 * Keeps the last report of the session with this epoch.
 * @param progress JSON of the wire's `Progress`
 * @returns false if the migration has ended or is paused, a newer session was opened, or its host was
 *   unlinked
 */
export async function setProgress(
  ex: Executor,
  id: string,
  epoch: number,
  progress: string,
  at: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ progress, progress_at: at })
    .where('id', '=', id)
    .where('epoch', '=', epoch)
    .where('status', '=', 'WORKING')
    .where('paused_at', 'is', null)
    .where('host_id', 'not in', unlinkedHosts(ex))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** What its host says of a write block at the source: that it answers for one, or for none any more. */
export async function setWriteBlockHost(
  ex: Executor,
  id: string,
  hostId: string | null,
): Promise<void> {
  await ex
    .updateTable('live_migrations')
    .set({ write_block_host_id: hostId })
    .where('id', '=', id)
    .where('write_block_host_id', 'is distinct from', hostId)
    .execute();
}

/**
 * Asks for a cutover: the next attempt, unless one is under way.
 * @returns the number of the attempt, or null if the migration is not WORKING, is paused or is cutting
 *   over
 */
export async function requestCutover(ex: Executor, id: string): Promise<number | null> {
  const row = await ex
    .updateTable('live_migrations')
    .set((eb) => ({ cutover_attempt: eb('cutover_attempt', '+', 1), cutover_failure: null }))
    .where('id', '=', id)
    .where('status', '=', 'WORKING')
    .where('paused_at', 'is', null)
    .whereRef('cutover_failed_attempt', '=', 'cutover_attempt')
    .returning('cutover_attempt')
    .executeTakeFirst();
  return row?.cutover_attempt ?? null;
}

/** That cutover of that migration was asked for last, and has neither failed nor succeeded. */
function isUnderWay(id: string, attempt: number) {
  return (eb: ExpressionBuilder<Schema, 'live_migrations'>) =>
    eb.and([
      eb('id', '=', id),
      eb('status', '=', 'WORKING'),
      eb('cutover_attempt', '=', attempt),
      eb('cutover_failed_attempt', '<', attempt),
    ]);
}

/**
 * Ends the attempt without success; the migration goes on.
 * @returns false if that attempt is not the one under way
 */
export async function setCutoverFailed(
  ex: Executor,
  id: string,
  attempt: number,
  reason: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ cutover_failed_attempt: attempt, cutover_failure: reason })
    .where(isUnderWay(id, attempt))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Ends the migration well and erases its password.
 * @param verified JSON of what the cutover verified
 * @returns false if that attempt is not the one under way
 */
export async function setComplete(
  ex: Executor,
  id: string,
  attempt: number,
  verified: string,
  at: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ status: 'COMPLETE', verified, finished_at: at, password_sealed: null })
    .where(isUnderWay(id, attempt))
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Ends an active migration without success and erases its password.
 * @returns false if it has ended already
 */
export async function setEnded(
  ex: Executor,
  id: string,
  status: 'FAILED' | 'EXPIRED',
  reason: string,
  at: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ status, failure_reason: reason, finished_at: at, password_sealed: null })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Ends all active migrations of a link without success and erases their passwords.
 * @returns those that it has ended, as they are now, the oldest first
 */
export async function setAllEnded(
  ex: Executor,
  linkId: string,
  reason: string,
  at: string,
): Promise<LiveMigrationRow[]> {
  const rows = await ex
    .updateTable('live_migrations')
    .set({ status: 'FAILED', failure_reason: reason, finished_at: at, password_sealed: null })
    .where('link_id', '=', linkId)
    .where('status', 'in', ACTIVE)
    .returningAll()
    .execute();
  const age = (row: LiveMigrationRow): string => `${row.created_at} ${row.id}`;
  return rows.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
}

/**
 * Ends an active migration because somebody wants it to.
 * @returns false if it has ended already
 */
export async function setCanceled(
  ex: Executor,
  id: string,
  reason: string,
  dropCopied: boolean,
  at: string,
): Promise<boolean> {
  if (!(await setEnded(ex, id, 'FAILED', reason, at))) return false;
  await ex
    .updateTable('live_migrations')
    .set({ canceled_at: at, copied_data: dropCopied ? 'DROPPING' : 'KEPT' })
    .where('id', '=', id)
    .execute();
  return true;
}

/**
 * Pauses an active migration that is not cutting over.
 * @returns false if it has ended, is cutting over, or is paused already
 */
export async function setPaused(ex: Executor, id: string, at: string): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ paused_at: at })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('paused_at', 'is', null)
    .whereRef('cutover_failed_attempt', '=', 'cutover_attempt')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** @param throttle JSON of the wire's `Throttle`, or null */
export async function setThrottle(
  ex: Executor,
  id: string,
  throttle: string | null,
): Promise<void> {
  await ex.updateTable('live_migrations').set({ throttle }).where('id', '=', id).execute();
}

/** @returns false if it has ended or is not paused */
export async function setResumed(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ paused_at: null })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('paused_at', 'is not', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Keeps the last report of a migration without a push session from its host: it is paused, or goes on
 * and waits for its destination or its journal.
 * @param progress JSON of the wire's `Progress`
 * @returns false if it has ended, is paused though it should go on or the other way round, is not that
 *   host's, or the host was unlinked
 */
export async function setHostProgress(
  ex: Executor,
  { id, host_id: hostId }: Pick<LiveMigrationRow, 'id' | 'host_id'>,
  expected: { readonly paused: boolean },
  progress: string,
  at: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ progress, progress_at: at })
    .where('id', '=', id)
    .where('host_id', '=', hostId)
    .where('host_id', 'not in', unlinkedHosts(ex))
    .where('status', 'in', ACTIVE)
    .where('paused_at', expected.paused ? 'is not' : 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Changes what the last report says, of an active migration whose host cannot any more. The time of
 * the report stays.
 * @param progress JSON of the wire's `Progress`
 */
export async function amendProgress(ex: Executor, id: string, progress: string): Promise<void> {
  await ex
    .updateTable('live_migrations')
    .set({ progress })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .execute();
}
