import type * as events from './events.ts';
import type { Executor } from './executor.ts';
import * as liveMigrations from './liveMigrations.ts';
import * as migrationEvents from './migrationEvents.ts';
import type { LiveMigrationRow } from './schema.ts';

/**
 * Leaves what a canceled migration made where it is, and records why.
 * @param actor null: the server itself
 * @returns false if nothing of it is to be dropped any more
 */
export async function keep(
  tx: Executor,
  migration: LiveMigrationRow,
  actor: events.Actor,
  reason: string,
): Promise<boolean> {
  if (!(await liveMigrations.endDropping(tx, migration.id, 'KEPT'))) return false;
  const type = 'LIVE_MIGRATION_COPIED_DATA_KEPT';
  await migrationEvents.record(tx, migration, type, actor, { reason });
  return true;
}
