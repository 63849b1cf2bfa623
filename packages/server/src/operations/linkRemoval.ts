import { setTimeout as delay } from 'node:timers/promises';
import { linkNotFound, unavailable } from '../domain/apiError.ts';
import { timestamp } from '../domain/time.ts';
import * as apiKeys from '../store/apiKeys.ts';
import * as clusters from '../store/clusters.ts';
import * as events from '../store/events.ts';
import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { LinkRow } from '../store/schema.ts';
import * as validations from '../store/validations.ts';
import type { OperationContext } from './context.ts';

/** What migrations and validations of a removed link end with. */
const REASON = 'The link-token of the organization was removed.';

/** Waits between two attempts to prove that nothing is left, in milliseconds. */
const FIRST_RETRY_MS = 500;
const LONGEST_RETRY_MS = 10_000;

/** The removal of one link, under way until it is proven. */
interface Flight {
  /** Settles when the link is gone; rejects only when the server stops. */
  readonly done: Promise<void>;
  /** The cluster that the last attempt could prove nothing for, or null. */
  unprovenCluster: string | null;
}

/**
 * Removes organization links (rules C1 to C3). The first transaction takes away everything that
 * could start a write; what was sent before is waited for; the second takes away the link. One
 * flight a link, joined by every DELETE that comes meanwhile, cancelled by none; it goes on in the
 * background after the answer, and after a restart.
 */
export class LinkRemoval {
  readonly #context: OperationContext;
  readonly #flights = new Map<string, Flight>();
  readonly #stop = new AbortController();

  constructor(context: OperationContext) {
    this.#context = context;
  }

  /** Takes up removals that an earlier process did not finish. */
  async start(): Promise<void> {
    for (const link of await links.listByState(this.#context.store.db, 'REMOVING')) {
      this.#join(link);
    }
  }

  /** Stops waiting. Links that are REMOVING stay so, and are taken up at the next start. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the server is stopping'));
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.done));
  }

  /**
   * Removes the organization's link and its API key; comes back when no write for it can reach any
   * destination any more (invariant I1).
   * @throws {ApiError} the recorded 404 without a link; 503 if that cannot be proven in time
   */
  async remove(orgId: string, actor: events.Actor): Promise<void> {
    const { store, work, removalWaitMs } = this.#context;
    const link = await store.transaction((tx) => this.#begin(tx, orgId, actor));
    work.changed(link.id);
    const flight = this.#join(link);
    const waiting = new AbortController();
    const late = Symbol('late');
    const outcome = await Promise.race([
      flight.done.catch(() => {
        throw unavailable('The server is stopping; the removal goes on when it is up again.', 5);
      }),
      delay(removalWaitMs, late, { signal: waiting.signal }),
    ]).finally(() => waiting.abort());
    if (outcome !== late) return;
    const names = flight.unprovenCluster ?? (await this.#openClusters(link.id));
    throw unavailable(
      `The link-token's key is deleted and its migrations are stopped, but it is not proven yet that no write is left under way at cluster ${names}, which does not answer. The server keeps trying; send the request again to learn when it is done.`,
      5,
    );
  }

  /** The first transaction (rule C1). A link that is REMOVING already is only found. */
  async #begin(tx: Executor, orgId: string, actor: events.Actor): Promise<LinkRow> {
    const link = await links.findByOrganization(tx, orgId);
    if (link === undefined) throw linkNotFound();
    if (!(await links.setRemoving(tx, link.id))) return link;
    const now = timestamp();
    if (link.api_key_id !== null) {
      await apiKeys.remove(tx, link.api_key_id);
      await events.record(tx, { type: 'API_KEY_DELETED', orgId, actor, targetId: link.api_key_id });
    }
    await events.record(tx, {
      type: 'LIVE_MIGRATION_LINK_TOKEN_DELETED',
      orgId,
      actor,
      targetId: link.id,
    });
    for (const migration of await liveMigrations.listActive(tx, { link_id: link.id })) {
      await liveMigrations.setEnded(tx, migration.id, 'FAILED', REASON, now);
      await events.record(tx, {
        type: 'LIVE_MIGRATION_FAILED',
        orgId,
        projectId: migration.project_id,
        actor,
        targetId: migration.id,
        detail: { reason: REASON },
      });
    }
    for (const validation of await validations.listPendingOfLink(tx, link.id)) {
      const { id } = validation;
      const result = { status: 'FAILED', findings: '[]', errorMessage: REASON, at: now } as const;
      await validations.settle(tx, id, result);
      await events.record(tx, {
        type: 'LIVE_MIGRATION_VALIDATION_FAILED',
        orgId,
        projectId: validation.project_id,
        actor,
        targetId: id,
        detail: { reason: REASON },
      });
    }
    return link;
  }

  #join(link: LinkRow): Flight {
    const running = this.#flights.get(link.id);
    if (running !== undefined) return running;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const flight: Flight = { done: promise, unprovenCluster: null };
    this.#flights.set(link.id, flight);
    // A flight without a waiting request still ends; its rejection is only the server's stop.
    promise.catch(() => {});
    this.#finish(link, flight)
      .finally(() => this.#flights.delete(link.id))
      .then(resolve, reject);
    return flight;
  }

  /** Tries until it is proven. */
  async #finish(link: LinkRow, flight: Flight): Promise<void> {
    const { fence, log } = this.#context;
    const { signal } = this.#stop;
    for (let wait = FIRST_RETRY_MS; ; wait = Math.min(wait * 2, LONGEST_RETRY_MS)) {
      signal.throwIfAborted();
      try {
        const unproven = await fence.settle(link.id, signal);
        flight.unprovenCluster = unproven?.unprovenCluster ?? null;
        if (unproven === null && (await this.#end(link))) return;
      } catch (error) {
        signal.throwIfAborted();
        log.error({ err: error, linkId: link.id }, 'a link cannot be settled yet');
      }
      log.warn(
        { linkId: link.id, cluster: flight.unprovenCluster },
        'a removed link may still have writes under way',
      );
      await delay(wait, undefined, { signal });
    }
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

  async #openClusters(linkId: string): Promise<string> {
    const { db } = this.#context.store;
    const names = new Set<string>();
    for (const session of await pushSessions.listOpen(db, { link_id: linkId })) {
      names.add((await clusters.find(db, session.cluster_id))?.name ?? session.cluster_id);
    }
    return names.size === 0 ? '(unknown)' : [...names].join(', ');
  }
}
