import { linkNotFound, unavailable } from '@linkspan/contract/serving/apiError.ts';
import { timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as copiedData from '../store/copiedData.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { LinkRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import type { OperationContext } from './context.ts';
import { type Flight, Flights, takeUps } from './flights.ts';
import { unprovenClusters } from './openClusters.ts';
import type { Periodic } from './periodic.ts';

/** What migrations and validations of a removed link end with. */
const REASON = 'The link-token of the organization was removed.';

/**
 * Removes organization links (rules C1 to C3). The first transaction takes away everything that
 * could start a write; what was sent before is waited for; the second takes away the link. One
 * flight a link, joined by every DELETE that comes meanwhile, cancelled by none; it goes on in the
 * background after the answer, and after a restart.
 */
export class LinkRemoval {
  readonly #context: OperationContext;
  readonly #flights: Flights;
  readonly #periodic: Periodic;

  constructor(context: OperationContext) {
    this.#context = context;
    this.#flights = new Flights(context.log);
    this.#periodic = takeUps(context.log, 'removals of links', () => this.#takeUp());
  }

  /** Takes up removals that an earlier process or another node did not finish, now and later on. */
  async start(): Promise<void> {
    await this.#takeUp();
    this.#periodic.start();
  }

  /** Stops waiting. Links that are REMOVING stay so, and are taken up by whoever runs. */
  async close(): Promise<void> {
    await this.#periodic.stop();
    await this.#flights.close();
  }

  async #takeUp(): Promise<void> {
    for (const link of await links.listByState(this.#context.store.db, 'REMOVING')) {
      this.#join(link);
    }
  }

  /**
   * Removes the organization's link and its API key; comes back when no write for it can reach any
   * destination any more (invariant I1).
   * @throws {ApiError} the recorded 404 without a link; 503 if that cannot be proven in time
   */
  async remove(orgId: string, actor: events.Actor): Promise<void> {
    const { store } = this.#context;
    const link = await store.lockingTransaction(async (tx) => {
      const found = await links.findByOrganizationForUpdate(tx, orgId);
      if (found !== undefined) await this.#begin(tx, found, actor);
      return found;
    });
    if (link === undefined) throw linkNotFound();
    await this.#wait(link);
  }

  /**
   * The same of one link, and of no other that the organization has got since; nothing is left to do where
   * it is gone, which it is only with that proof.
   * @throws {ApiError} 503 if that cannot be proven in time
   */
  async removeOne(linkId: string, actor: events.Actor): Promise<void> {
    const { store } = this.#context;
    const link = await store.lockingTransaction(async (tx) => {
      const found = await links.findForUpdate(tx, linkId);
      if (found !== undefined) await this.#begin(tx, found, actor);
      return found;
    });
    if (link !== undefined) await this.#wait(link);
  }

  async #wait(link: LinkRow): Promise<void> {
    const { work, removalWaitMs } = this.#context;
    work.changed(link.id);
    const flight = this.#join(link);
    if (await this.#flights.wait(flight, removalWaitMs)) return;
    const names = await unprovenClusters(this.#context, flight, { link_id: link.id });
    throw unavailable(
      `The link-token's key is deleted and its migrations are stopped, but it is not proven yet that no write is left under way at cluster ${names}. The server keeps trying; send the request again to learn when it is done.`,
      5,
    );
  }

  /**
   * The first transaction (rule C1). A link that is REMOVING already is left as it is. Its migrations may
   * report all the time: they are waited for, and whatever is added to the link has locked it before.
   */
  async #begin(tx: Executor, link: LinkRow, actor: events.Actor): Promise<void> {
    if (!(await links.setRemoving(tx, link.id))) return;
    const orgId = link.org_id;
    const now = timestamp();
    if (link.api_key_id !== null) {
      await events.record(tx, { type: 'API_KEY_DELETED', orgId, actor, targetId: link.api_key_id });
      await apiKeys.remove(tx, link.api_key_id);
    }
    await events.record(tx, {
      type: 'LIVE_MIGRATION_LINK_TOKEN_DELETED',
      orgId,
      actor,
      targetId: link.id,
    });
    for (const migration of await liveMigrations.setAllEnded(tx, link.id, REASON, now)) {
      await events.record(tx, {
        type: 'LIVE_MIGRATION_FAILED',
        orgId,
        projectId: migration.project_id,
        actor,
        targetId: migration.id,
        detail: { reason: REASON },
      });
    }
    for (const migration of await liveMigrations.listDropping(tx, { link_id: link.id })) {
      await copiedData.keep(tx, migration, actor, REASON);
    }
    for (const validation of await validations.listPendingOfLink(tx, link.id)) {
      const { id } = validation;
      const result = { status: 'FAILED', findings: '[]', errorMessage: REASON, at: now } as const;
      if (!(await validations.settle(tx, id, result))) continue;
      await events.record(tx, {
        type: 'CLUSTER_IMPORT_VALIDATION_FAIL',
        orgId,
        projectId: validation.project_id,
        actor,
        targetId: id,
        detail: { reason: REASON },
      });
    }
  }

  #join(link: LinkRow): Flight {
    return this.#flights.join(link.id, {
      about: { linkId: link.id },
      pending: 'a removed link may still have writes under way',
      attempt: async (signal) => {
        const unproven = await this.#context.fence.settle(link.id, signal);
        if (unproven !== null) return unproven;
        return (await this.#end(link)) ? null : { unprovenCluster: null };
      },
    });
  }

  /**
   * The second transaction.
   * @returns false if a session of the link is still open, so that nothing is proven
   */
  async #end(link: LinkRow): Promise<boolean> {
    return this.#context.store.transaction(async (tx) => {
      if ((await pushSessions.listOpen(tx, { link_id: link.id })).length > 0) return false;
      if (await links.removeRemoving(tx, link.id)) {
        await events.record(tx, {
          type: 'LIVE_MIGRATION_LINK_REMOVED',
          orgId: link.org_id,
          actor: null,
          targetId: link.id,
        });
      }
      return true;
    });
  }
}
