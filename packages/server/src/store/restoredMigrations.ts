import type { Executor } from './executor.ts';
import { ACTIVE } from './liveMigrations.ts';

/*
 * What is changed of the live migrations of a store that was restored from a backup (rule C8): the numbers in
 * it are older than those that migration hosts have in their journals.
 */

/** Leaves out so many epochs of every migration: somebody may have had them (rule C8). */
export async function raiseEpochs(tx: Executor, by: number): Promise<void> {
  await tx
    .updateTable('live_migrations')
    .set((eb) => ({ epoch: eb('epoch', '+', by) }))
    .execute();
}

/**
 * Leaves out so many cutovers, verifications and repairs of every active migration: its host may have ended
 * them, and does nothing for a number that it had before. A cutover that was under way has failed, and a
 * repair is wanted: nobody knows what was pushed since.
 * @param failure why a cutover that was under way has failed, for people
 */
export async function raiseAttempts(tx: Executor, by: number, failure: string): Promise<void> {
  await tx
    .updateTable('live_migrations')
    .set({ cutover_failure: failure })
    .where('status', 'in', ACTIVE)
    .whereRef('cutover_attempt', '>', 'cutover_failed_attempt')
    .execute();
  await tx
    .updateTable('live_migrations')
    .set((eb) => ({
      cutover_attempt: eb('cutover_attempt', '+', by),
      cutover_failed_attempt: eb('cutover_attempt', '+', by),
      verify_attempt: eb('verify_attempt', '+', by),
      repair_attempt: eb('repair_attempt', '+', by),
    }))
    .where('status', 'in', ACTIVE)
    .execute();
}
