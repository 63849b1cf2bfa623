import { isOver } from '../domain/window.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import type { OperationContext } from './context.ts';
import { giveTo, otherHost } from './hostMoves.ts';
import { isCuttingOver } from './liveMigrationView.ts';
import { Listening, type Moment, thisMoment } from './listening.ts';
import { Periodic } from './periodic.ts';

const PERIOD_MS = 5000;

/**
 * Gives live migrations of hosts that are silent for too long, or are unlinked, to other hosts of the link
 * that can read the same deployment; those that no other host can take wait for theirs. They do not wait
 * beyond their window: a cutover that such a host has under way has failed then, so that they end.
 *
 * Hosts are silent for a server that was not there to hear them, or refused them, too: so nothing is moved
 * for a silence before this process has listened for as long, with a store that answered.
 */
export class HostReplacement {
  readonly #context: OperationContext;
  readonly #silenceMs: number;
  readonly #periodic: Periodic;
  readonly #listening: Listening;

  constructor(
    context: OperationContext,
    silenceMs: number,
    listening = new Listening(thisMoment()),
  ) {
    this.#context = context;
    this.#silenceMs = silenceMs;
    this.#listening = listening;
    this.#periodic = new Periodic(PERIOD_MS, async () => {
      try {
        await this.look(thisMoment());
      } catch (error) {
        this.#listening.startAnew(thisMoment());
        context.log.warn({ err: error }, 'silent migration hosts cannot be looked for now');
      }
    });
  }

  start(): void {
    this.#periodic.start();
  }

  async close(): Promise<void> {
    await this.#periodic.stop();
  }

  /** Does what is due at that moment. */
  async look(now: Moment): Promise<void> {
    const { store, work, log } = this.#context;
    if (!this.#listening.goesOn(now)) {
      log.warn(
        {},
        'this process stood still, or a clock was set: migration hosts are listened to anew',
      );
    }
    this.#listening.refuses(await links.listSuspended(store.db), now);
    for (const row of await liveMigrations.listActive(store.db, {})) {
      if (row.link_id === null || (await this.#whyReplaced(store.db, row, now)) === null) continue;
      const done = await this.#replace(row.id, row.link_id, now);
      if (done === null) continue;
      log.warn({ liveMigrationId: row.id, from: row.hostname }, done);
      work.changed(row.link_id);
    }
  }

  /** @returns what was done, for the log; null: nothing */
  async #replace(id: string, linkId: string, now: Moment): Promise<string | null> {
    return this.#context.store.transaction(async (tx) => {
      const link = await links.findForUpdate(tx, linkId);
      const row = await liveMigrations.find(tx, id);
      if (link?.state !== 'LINKED' || link.suspended_at !== null || row === undefined) return null;
      if (!liveMigrations.ACTIVE.includes(row.status)) return null;
      const reason = await this.#whyReplaced(tx, row, now);
      if (reason === null) return null;
      const to = await otherHost(tx, row);
      if (to === undefined) return failLateCutover(tx, row, reason, new Date(now.wall));
      const isGiven = await giveTo(tx, row, to, reason, null);
      return isGiven ? 'given to another migration host' : null;
    });
  }

  async #whyReplaced(ex: Executor, row: LiveMigrationRow, now: Moment): Promise<string | null> {
    const host = await migrationHosts.find(ex, row.host_id);
    if (host === undefined) return 'Its migration host was removed.';
    if (host.unlinked_at !== null) return 'Its migration host was unlinked from the source side.';
    const silence = now.wall - Date.parse(host.heartbeat_at);
    const heard = this.#listening.heardMs(host.link_id, now);
    if (Math.min(silence, heard) <= this.#silenceMs) return null;
    return `Its migration host was silent for ${Math.floor(silence / 1000)} seconds.`;
  }
}

/** A host that comes back before the window is over goes on with its cutover. */
async function failLateCutover(
  tx: Executor,
  row: LiveMigrationRow,
  reason: string,
  now: Date,
): Promise<string | null> {
  const { id, cutover_attempt: cutoverAttempt } = row;
  if (!isCuttingOver(row) || !isOver(row, now)) return null;
  if (!(await liveMigrations.setCutoverFailed(tx, id, cutoverAttempt, reason))) return null;
  const detail = { cutoverAttempt, reason };
  await migrationEvents.record(tx, row, 'LIVE_MIGRATION_CUTOVER_FAILED', null, detail);
  return 'its cutover has failed: nobody does it, and its window is over';
}
