import { randomBytes } from 'node:crypto';

import { connectionPrefix } from '../domain/connectionNames.ts';
import { newId } from '../domain/ids.ts';
import { timestamp } from '../domain/time.ts';
import * as clusters from './clusters.ts';
import type { Executor } from './executor.ts';
import { ACTIVE } from './liveMigrations.ts';
import type { LiveMigrationRow } from './schema.ts';

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

/** Nobody but their hosts knows all that active migrations have made at their destinations (rule D11). */
export async function mark(tx: Executor, at: string): Promise<void> {
  await tx
    .updateTable('live_migrations')
    .set({ restored_at: at })
    .where('status', 'in', ACTIVE)
    .execute();
}

/**
 * Records, of each of the migrations, one session that may have writes under way and that nobody holds: it
 * stands for all that were opened since the backup. A session that opens, or a removal of the link, so proves
 * first that nothing of them is left (rules C2, D14): by the fence, where the destination enforces it, and
 * because it lists no connection of the migration.
 * @param migrations with the raised epoch, which none of those sessions has
 */
export async function recordUnknownSessions(
  tx: Executor,
  migrations: readonly LiveMigrationRow[],
): Promise<void> {
  for (const { id, link_id, host_id, cluster_id, epoch } of migrations) {
    const cluster = await clusters.find(tx, cluster_id);
    const isFenced = cluster !== undefined && clusters.factsOf(cluster).fence === 'ENFORCED';
    await tx
      .insertInto('push_sessions')
      .values({
        id: newId(),
        migration_id: id,
        link_id: link_id ?? '',
        host_id,
        cluster_id,
        epoch,
        // Of a secret that nobody has: no host can claim the session.
        secret_hash: randomBytes(32),
        state: 'OPEN',
        connection_name: connectionPrefix(id),
        opened_at: timestamp(),
        is_fenced: isFenced ? 1 : 0,
        structure_under_way: 1,
      })
      .execute();
  }
}
