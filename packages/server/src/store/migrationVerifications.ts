import type { Executor } from './executor.ts';
import { ACTIVE } from './liveMigrations.ts';

/** Keeps the last report. @param verification JSON of the wire's `Verification` */
export async function keep(ex: Executor, id: string, verification: string): Promise<void> {
  await ex.updateTable('live_migrations').set({ verification }).where('id', '=', id).execute();
}

/**
 * Notes how often the source's history was lost.
 * @returns false if that was known
 */
export async function noteLosses(ex: Executor, id: string, losses: number): Promise<boolean> {
  const result = await ex
    .updateTable('live_migrations')
    .set({ history_losses: losses })
    .where('id', '=', id)
    .where('history_losses', '<', losses)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Asks for a verification or a repair of all of an active migration.
 * @returns the number of the attempt, or null if it has ended, is paused or is cutting over
 */
export async function request(
  ex: Executor,
  id: string,
  what: 'verify_attempt' | 'repair_attempt',
): Promise<number | null> {
  const row = await ex
    .updateTable('live_migrations')
    .set((eb) => ({ [what]: eb(what, '+', 1) }))
    .where('id', '=', id)
    .where('status', 'in', ACTIVE)
    .where('paused_at', 'is', null)
    .whereRef('cutover_failed_attempt', '=', 'cutover_attempt')
    .returning(what)
    .executeTakeFirst();
  return row === undefined ? null : Number((row as Record<string, unknown>)[what]);
}
