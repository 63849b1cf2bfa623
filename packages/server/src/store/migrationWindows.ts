import type { Executor } from './executor.ts';
import { ACTIVE } from './liveMigrations.ts';
import type { LiveMigrationRow } from './schema.ts';

/** Windows of live migrations: they begin when a migration is first ready for cutover. */

/** @returns false if it has begun already, or the migration has ended */
export async function begin(ex: Executor, id: string, at: string): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ window_began_at: at })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('window_began_at', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Active migrations whose window has begun and that are not being cut over. */
export async function listRunning(ex: Executor): Promise<LiveMigrationRow[]> {
  return ex
    .selectFrom('live_migrations')
    .selectAll()
    .where('status', 'in', ACTIVE)
    .where('window_began_at', 'is not', null)
    .whereRef('cutover_failed_attempt', '=', 'cutover_attempt')
    .orderBy('id')
    .execute();
}

/**
 * Keeps that people were warned so many hours before the end.
 * @returns false if the window was changed meanwhile, or the same was kept already
 */
export async function setWarned(
  ex: Executor,
  { id, window_hours: hours }: LiveMigrationRow,
  warnedHours: number,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ window_warned_hours: warnedHours })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('window_hours', '=', hours)
    .where((eb) =>
      eb.or([eb('window_warned_hours', 'is', null), eb('window_warned_hours', '>', warnedHours)]),
    )
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Changes how long the window is; warnings begin anew.
 * @returns false if the migration has ended or the window was as long already
 */
export async function setHours(ex: Executor, id: string, hours: number): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ window_hours: hours, window_warned_hours: null })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('window_hours', '!=', hours)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Ends a migration whose window is over and erases its password.
 * @returns false if it has ended, is being cut over, or its window was changed meanwhile
 */
export async function expire(
  ex: Executor,
  { id, window_hours: hours }: LiveMigrationRow,
  reason: string,
  at: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ status: 'EXPIRED', failure_reason: reason, finished_at: at, password_sealed: null })
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('window_hours', '=', hours)
    .whereRef('cutover_failed_attempt', '=', 'cutover_attempt')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
