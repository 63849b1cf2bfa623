import { setTimeout as delay } from 'node:timers/promises';
import type { CancelLiveMigration } from '@linkspan/contract/api/liveMigrations.ts';
import { apiError, unavailable } from '@linkspan/contract/serving/apiError.ts';
import type { Principal } from '../domain/access.ts';
import { timestamp } from '../domain/time.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationEvents from '../store/migrationEvents.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { LiveMigrationRow } from '../store/schema.ts';
import { actorOf, type OperationContext } from './context.ts';
import { type Flight, Flights } from './flights.ts';
import { load } from './liveMigrations.ts';
import { isCuttingOver } from './liveMigrationView.ts';
import { unprovenClusters } from './openClusters.ts';
import { Periodic } from './periodic.ts';

/** How often a node looks for ended migrations that nobody is at, in milliseconds. */
const TAKE_UP_EVERY_MS = 5000;

/**
 * Pauses, resumes and cancels live migrations. What asks for a state that is there already is answered
 * as the first time.
 */
export class LiveMigrationControl {
  readonly #context: OperationContext;
  readonly #flights: Flights;

  readonly #periodic: Periodic;

  constructor(context: OperationContext) {
    this.#context = context;
    this.#flights = new Flights(context.log);
    this.#periodic = new Periodic(TAKE_UP_EVERY_MS, async () => {
      try {
        await this.#takeUp();
      } catch (error) {
        context.log.warn({ err: error }, 'ended live migrations cannot be looked for now');
      }
    });
  }

  /**
   * Takes up what an earlier process or another node did not finish of migrations that have ended, now
   * and later on.
   */
  async start(): Promise<void> {
    await this.#takeUp();
    this.#periodic.start();
  }

  async #takeUp(): Promise<void> {
    const { db } = this.#context.store;
    for (const id of await pushSessions.listEndedMigrations(db)) this.settle(id);
    for (const { id } of await liveMigrations.listDropping(db)) this.settle(id);
  }

  /** Stops waiting. Sessions that are not settled stay open, and are taken up by whoever runs. */
  async close(): Promise<void> {
    await this.#periodic.stop();
    await this.#flights.close();
  }

  /**
   * From the first moment no further batch is accepted; comes back when what was under way has landed,
   * or when that takes too long. The migration host goes on following the source.
   * @throws {ApiError} 409 if the migration has ended or is being cut over
   */
  async pause(principal: Principal, groupId: string, id: string): Promise<void> {
    const { store, work } = this.#context;
    const row = await store.transaction(async (tx) => {
      const found = await load(tx, groupId, id);
      refuseEnded(found);
      if (isCuttingOver(found)) throw apiError('LIVE_MIGRATION_CUTOVER_UNDER_WAY', id);
      if (await liveMigrations.setPaused(tx, id, timestamp())) {
        await migrationEvents.record(tx, found, 'LIVE_MIGRATION_PAUSED', actorOf(principal));
      }
      return found;
    });
    const held = this.#hold(id);
    if (row.link_id !== null) work.changed(row.link_id);
    await held;
  }

  /** @throws {ApiError} 409 if the migration has ended */
  async resume(principal: Principal, groupId: string, id: string): Promise<void> {
    const { store, work } = this.#context;
    const row = await store.transaction(async (tx) => {
      const found = await load(tx, groupId, id);
      refuseEnded(found);
      if (await liveMigrations.setResumed(tx, id)) {
        await migrationEvents.record(tx, found, 'LIVE_MIGRATION_RESUMED', actorOf(principal));
      }
      return found;
    });
    if (row.link_id !== null) work.changed(row.link_id);
  }

  /**
   * Ends the migration; comes back when no write for it can reach the destination any more (as rules C1
   * to C3 have it for a link), and if `dropCopied`, when every collection and view that it made is
   * dropped. Else what was copied stays there.
   * @throws {ApiError} 409 if it has ended otherwise, or what it copied was kept; 503 if that cannot be
   *   proven in time
   */
  async cancel(
    principal: Principal,
    groupId: string,
    id: string,
    { dropCopied = false }: CancelLiveMigration = {},
  ): Promise<void> {
    const { store, work, removalWaitMs } = this.#context;
    const row = await store.transaction(async (tx) => {
      const found = await load(tx, groupId, id);
      if (found.canceled_at !== null) {
        // Once it was kept, another migration or a person may have come to rely on it.
        if (dropCopied && found.copied_data === 'KEPT') {
          throw apiError('LIVE_MIGRATION_COPIED_DATA_KEPT', id);
        }
        return found;
      }
      refuseEnded(found);
      const reason = `Canceled by ${nameOf(principal)}.`;
      await liveMigrations.setCanceled(tx, id, reason, dropCopied, timestamp());
      const detail = { reason, dropCopied };
      await migrationEvents.record(
        tx,
        found,
        'CLUSTER_IMPORT_CANCELLED',
        actorOf(principal),
        detail,
      );
      return found;
    });
    const flight = this.settle(id);
    if (row.link_id !== null) work.changed(row.link_id);
    if (await this.#flights.wait(flight, removalWaitMs)) return;
    const { copied_data: copiedData } = await load(store.db, groupId, id);
    const isDropping = copiedData === 'DROPPING';
    const names = await unprovenClusters(
      this.#context,
      flight,
      { migration_id: id },
      // It may only take long.
      isDropping ? '' : undefined,
    );
    throw unavailable(
      isDropping
        ? `Live migration ${id} is canceled and pushes nothing any more, but what it copied is not all dropped yet at cluster ${names}. The server keeps trying; send the request again to learn when it is done.`
        : `Live migration ${id} is canceled and pushes nothing any more, but it is not proven yet that no write is left under way at cluster ${names}. The server keeps trying; send the request again to learn when it is done.`,
      5,
    );
  }

  /** Never rejects: what is not answered in time is waited for by the next session. */
  async #hold(id: string): Promise<void> {
    const { fence, removalWaitMs, log } = this.#context;
    const waiting = new AbortController();
    const { signal } = waiting;
    const held = fence.holdMigration(id).catch((error: unknown) => {
      log.warn({ err: error, liveMigrationId: id }, 'a paused migration may have writes under way');
    });
    const late = delay(removalWaitMs, undefined, { signal }).catch(() => undefined);
    await Promise.race([held, late]).finally(() => waiting.abort());
  }

  /** Proves that nothing of a migration that has ended is under way, and drops what is to be dropped. */
  settle(id: string): Flight {
    const { fence, store } = this.#context;
    return this.#flights.join(id, {
      about: { liveMigrationId: id },
      pending: 'a live migration that has ended may still have writes under way',
      attempt: async (signal) => {
        const unproven = await fence.settleMigration(id, signal);
        if (unproven !== null) return unproven;
        const open = await pushSessions.listOpen(store.db, { migration_id: id });
        if (open.length > 0) return { unprovenCluster: null };
        return fence.dropCopied(id, signal);
      },
    });
  }
}

/** @throws {ApiError} 409 */
function refuseEnded(row: LiveMigrationRow): void {
  if (liveMigrations.ACTIVE.includes(row.status)) return;
  throw apiError('LIVE_MIGRATION_NOT_ACTIVE', row.id, row.status);
}

/** Whom a failure reason names: what identifies a credential, and no secret of it. */
function nameOf({ credential }: Principal): string {
  return credential.kind === 'apiKey'
    ? `API key ${credential.publicKey}`
    : `service account ${credential.clientId}`;
}
