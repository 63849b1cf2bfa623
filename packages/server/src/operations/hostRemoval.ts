import { apiError, unavailable } from '@linkspan/contract/serving/apiError.ts';
import { timestamp } from '../domain/time.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as pushSessions from '../store/pushSessions.ts';
import * as subLeases from '../store/subLeases.ts';
import type { MigrationHostRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import type { OperationContext } from './context.ts';
import { type Flight, Flights, takeUps } from './flights.ts';
import { giveTo, noneReason, otherHost } from './hostMoves.ts';
import { isCuttingOver } from './liveMigrationView.ts';
import { unprovenClusters } from './openClusters.ts';
import type { Periodic } from './periodic.ts';

const REASON = 'The migration host was removed from the link.';

/**
 * Takes migration hosts from their link, as {@link LinkRemoval} does with all of it: the first transaction
 * takes away what could start a write, what was sent before is waited for, the second takes away the host. It goes
 * on in the background after the answer, and after a restart.
 */
export class HostRemoval {
  readonly #context: OperationContext;
  readonly #flights: Flights;
  readonly #periodic: Periodic;

  constructor(context: OperationContext) {
    this.#context = context;
    this.#flights = new Flights(context.log);
    this.#periodic = takeUps(context.log, 'removals of migration hosts', () => this.#takeUp());
  }

  /** Takes up removals that an earlier process or another node did not finish, now and later on. */
  async start(): Promise<void> {
    await this.#takeUp();
    this.#periodic.start();
  }

  /** Stops waiting. Hosts that are being removed stay so, and are taken up by whoever runs. */
  async close(): Promise<void> {
    await this.#periodic.stop();
    await this.#flights.close();
  }

  async #takeUp(): Promise<void> {
    const { db } = this.#context.store;
    for (const host of await migrationHosts.listRemoving(db)) {
      const link = await links.find(db, host.link_id);
      if (link !== undefined) this.#join(link.org_id, host, null);
    }
  }

  /**
   * Gives the host's live migrations to other hosts of the link and removes it; comes back when nothing
   * that it sent can reach any destination any more.
   * @throws {ApiError} 404 if the link has no such host; 409 while it has a live migration that no other
   *   can take; 503 if that cannot be proven in time: the host is refused already, ask again
   */
  async remove(orgId: string, hostId: string, actor: events.Actor): Promise<void> {
    const { store, work, removalWaitMs } = this.#context;
    const host = await store.lockingTransaction((tx) => this.#begin(tx, orgId, hostId, actor));
    work.changed(host.link_id);
    const flight = this.#join(orgId, host, actor);
    if (await this.#flights.wait(flight, removalWaitMs)) return;
    const names = await unprovenClusters(this.#context, flight, { host_id: hostId });
    throw unavailable(
      `Migration host ${host.hostname} is refused and its live migrations were given to others, but it is not proven yet that no write of it is left under way at cluster ${names}. The server keeps trying; send the request again to learn when it is done.`,
      5,
    );
  }

  async #begin(
    tx: Executor,
    orgId: string,
    hostId: string,
    actor: events.Actor,
  ): Promise<MigrationHostRow> {
    const link = await links.hold(tx, { org_id: orgId });
    const host = await migrationHosts.find(tx, hostId);
    if (link === undefined || host === undefined || host.link_id !== link.id) {
      throw apiError('RESOURCE_NOT_FOUND', `/orgs/${orgId}/liveMigrations/link/hosts/${hostId}`);
    }
    const now = timestamp();
    for (const row of await liveMigrations.listActiveForUpdate(tx, hostId)) {
      if (isCuttingOver(row) && host.unlinked_at === null) {
        throw apiError('LIVE_MIGRATION_CUTOVER_UNDER_WAY', row.id);
      }
      const to = await otherHost(tx, row);
      if (to === undefined) {
        throw apiError('MIGRATION_HOST_IN_USE', host.hostname, row.id, noneReason(row));
      }
      await giveTo(tx, row, to, REASON, actor);
    }
    await migrationHosts.setRemoving(tx, hostId, now);
    if (await migrationHosts.setUnlinked(tx, hostId, now)) {
      const detail = { hostname: host.hostname, reason: REASON };
      const type = 'LIVE_MIGRATION_HOST_UNLINKED';
      await events.record(tx, { type, orgId, actor, targetId: hostId, detail });
    }
    for (const { id, project_id: projectId } of await validations.listPendingOfHosts(tx, [
      hostId,
    ])) {
      const result = { status: 'FAILED', findings: '[]', errorMessage: REASON, at: now } as const;
      if (!(await validations.settle(tx, id, result))) continue;
      const detail = { reason: REASON };
      const type = 'CLUSTER_IMPORT_VALIDATION_FAIL';
      await events.record(tx, { type, orgId, projectId, actor, targetId: id, detail });
    }
    return host;
  }

  /** @param actor null: nobody asks for it now */
  #join(orgId: string, host: MigrationHostRow, actor: events.Actor): Flight {
    const { id: migrationHostId, link_id: linkId } = host;
    return this.#flights.join(migrationHostId, {
      about: { linkId, migrationHostId },
      pending: 'a removed migration host may still have writes under way',
      attempt: async (signal) => {
        const unproven = await this.#context.fence.settleHost(linkId, migrationHostId, signal);
        if (unproven !== null) return unproven;
        return (await this.#end(orgId, host, actor)) ? null : { unprovenCluster: null };
      },
    });
  }

  /** @returns false if a session of the host is still open, so that nothing is proven */
  async #end(orgId: string, host: MigrationHostRow, actor: events.Actor): Promise<boolean> {
    return this.#context.store.transaction(async (tx) => {
      if ((await pushSessions.listOpen(tx, { host_id: host.id })).length > 0) return false;
      if ((await subLeases.listSessionsOf(tx, host.id)).length > 0) return false;
      if (await migrationHosts.remove(tx, host.link_id, host.id)) {
        await events.record(tx, {
          type: 'LIVE_MIGRATION_HOST_REMOVED',
          orgId,
          actor,
          targetId: host.id,
          detail: { hostname: host.hostname },
        });
      }
      return true;
    });
  }
}
