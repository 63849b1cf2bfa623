import { timestamp } from '../domain/time.ts';
import { dueWarning, endOf, isOver } from '../domain/window.ts';
import type { Executor } from '../store/executor.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as migrationWindows from '../store/migrationWindows.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import type { OperationContext } from './context.ts';
import { Periodic } from './periodic.ts';

const PERIOD_MS = 30_000;

/**
 * Warns of the end of windows of live migrations, and ends those whose window is over. One that is being
 * cut over is let finish, as long as its host is there; if the cutover fails, it ends with the next look.
 *
 * Beginning, length and warnings are stored, and each step goes one way only: a clock that jumps back
 * repeats no warning and revives nothing.
 */
export class WindowExpiry {
  readonly #context: OperationContext;
  readonly #settle: (migrationId: string) => void;
  readonly #periodic: Periodic;

  /** @param settle told of each migration that was ended: its sessions are to end, too */
  constructor(context: OperationContext, settle: (migrationId: string) => void) {
    this.#context = context;
    this.#settle = settle;
    this.#periodic = new Periodic(PERIOD_MS, async () => {
      try {
        await this.look(new Date());
      } catch (error) {
        context.log.error({ err: error }, 'windows of live migrations cannot be looked at');
      }
    });
  }

  start(): void {
    this.#periodic.start();
  }

  async close(): Promise<void> {
    await this.#periodic.stop();
  }

  /**
   * Does what is due at that moment, each migration by itself: their rows are written all the time, so that
   * one transaction over all of them would be run again for ever.
   */
  async look(now: Date): Promise<void> {
    const { store, work } = this.#context;
    for (const row of await migrationWindows.listRunning(store.db)) {
      if (!isOver(row, now)) {
        const hours = dueWarning(row, now);
        if (hours !== null) await store.transaction((tx) => warn(tx, row, hours));
      } else if (await store.transaction((tx) => expire(tx, row, now))) {
        this.#settle(row.id);
        if (row.link_id !== null) work.changed(row.link_id);
      }
    }
  }
}

async function warn(tx: Executor, row: LiveMigrationRow, hours: number): Promise<void> {
  if (!(await migrationWindows.setWarned(tx, row, hours))) return;
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_WINDOW_ENDING', null, {
    hoursBefore: hours,
    expires: endOf(row)?.toISOString(),
  });
}

async function expire(tx: Executor, row: LiveMigrationRow, now: Date): Promise<boolean> {
  const reason = `Its window of ${row.window_hours} hours is over: it was ready for cutover and was not cut over in time.`;
  if (!(await migrationWindows.expire(tx, row, reason, timestamp(now)))) return false;
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_EXPIRED', null, { reason });
  return true;
}
