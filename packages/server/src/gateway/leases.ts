import type { Executor } from '../store/executor.ts';
import * as links from '../store/links.ts';
import * as liveMigrations from '../store/liveMigrations.ts';
import * as migrationHosts from '../store/migrationHosts.ts';
import * as nodes from '../store/nodes.ts';
import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';
import { Periodic } from '../operations/periodic.ts';
import type { Log } from '../operations/context.ts';
import { UNLINKED } from './authenticate.ts';
import { LINK_SUSPENDED, PAUSED, PushError } from './errors.ts';
import { FENCED, type PushSession } from './session.ts';
import type { Sessions } from './sessions.ts';

/** How often a node looks at its sessions in the store, whatever it was told meanwhile (rule C14). */
const LOOK_EVERY_MS = 1000;
/** How often it says that it runs. */
const REPORT_EVERY_MS = 10_000;
/** A node that was silent for so long is forgotten. */
const SILENT_MS = 60 * 60_000;

/** What a removed link's sessions refuse with. */
export const LINK_REMOVED = new PushError('LINK_REFUSED', 'The link was removed.');
/** What the sessions of a host refuse with that was removed from its link. */
export const HOST_REMOVED = new PushError(
  'LINK_REFUSED',
  'The migration host was removed from the link. Link it with a new link-token.',
);
/** What an ended migration's sessions refuse with. */
export const MIGRATION_ENDED = new PushError(
  'MIGRATION_NOT_ACTIVE',
  'The live migration has ended.',
);
const LOST = new PushError(
  'SESSION_UNKNOWN',
  'The push session does not belong to this server node any more: open a new one.',
);

export interface LeasesOptions {
  readonly store: Store;
  readonly sessions: Sessions;
  readonly log: Log;
  /** How long a lease is good for, in milliseconds. */
  readonly termMs: number;
  /** Aborts when the server stops. */
  readonly stopping: AbortSignal;
}

/**
 * Keeps the leases by which push sessions belong to this node, and ends the sessions that may not go on:
 * of a link that is being removed, a migration that has ended or is paused, an unlinked host, or after a
 * newer one was opened, wherever that was asked for.
 *
 * A lease ends for everybody by the database's clock. This node stops earlier, by its own monotonic
 * clock, read before the renewal was asked for (rule C14): one that cannot reach the store stops
 * writing before another one may begin.
 */
export class Leases {
  readonly #options: LeasesOptions;
  readonly #periodic: Periodic;
  #url: string | null = null;
  readonly #retiring = new Set<PushSession>();
  #looking: Promise<void> | null = null;
  #again = false;
  #renewedAt = -Infinity;
  #reportedAt = -Infinity;

  constructor(options: LeasesOptions) {
    this.#options = options;
    this.#periodic = new Periodic(LOOK_EVERY_MS, async () => {
      // A store that does not answer must not keep anything from ending.
      for (const session of this.#numbered()) if (session.isRefusing) this.#retire(session);
      void this.look();
    });
  }

  get termMs(): number {
    return this.#options.termMs;
  }

  /** By this process's monotonic clock, the end of a lease that was asked for at that moment. */
  deadline(askedAt: number): number {
    return askedAt + this.termMs * 0.8;
  }

  /** For a session that is about to open. */
  get newLease(): pushSessions.NewLease {
    const { store, termMs } = this.#options;
    return { dialect: store.dialect, nodeId: store.nodeId, termMs };
  }

  async start(): Promise<void> {
    const { db, dialect, nodeId } = this.#options.store;
    if (!dialect.isShared) await pushSessions.endLeasesOfOthers(db, nodeId);
    this.#periodic.start();
  }

  /** @param url where other nodes reach this one; null: they do not */
  async announce(url: string | null): Promise<void> {
    this.#url = url;
    await this.#report();
  }

  async close(): Promise<void> {
    await this.#periodic.stop();
    await this.#looking;
    const { db, nodeId } = this.#options.store;
    await nodes.remove(db, nodeId).catch(() => undefined);
  }

  /** Looks now, once more if it is looking already. Never rejects. */
  look(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#lookAndAgain().finally(() => {
      this.#looking = null;
    });
    return this.#looking;
  }

  async #lookAndAgain(): Promise<void> {
    const { log } = this.#options;
    while (this.#again) {
      this.#again = false;
      try {
        await this.#lookOnce();
      } catch (error) {
        log.warn({ err: error }, 'the leases of push sessions cannot be renewed now');
      }
    }
  }

  async #lookOnce(): Promise<void> {
    const { store, termMs } = this.#options;
    if (performance.now() - this.#reportedAt > REPORT_EVERY_MS) await this.#report();
    // One that refuses goes on to be settled; another node may prove the rest once its lease is over.
    const held = this.#numbered().filter((one) => one.isEntered && !one.isRefusing);
    if (held.length === 0) return;
    await this.#endSubLeases(held);
    const askedAt = performance.now();
    const isDue = askedAt - this.#renewedAt > termMs / 4;
    const kept = isDue
      ? await store.transaction((tx) => this.#judge(tx, held, true))
      : await this.#judge(store.db, held, false);
    if (isDue) this.#renewedAt = askedAt;
    for (const session of held) {
      const verdict = kept.get(session) ?? null;
      if (verdict === null) {
        if (isDue) session.leasedUntil = this.deadline(askedAt);
        continue;
      }
      session.refuse(verdict);
      this.#retire(session);
    }
  }

  /** Those of hosts that are not linked any more, and those that are over. */
  async #endSubLeases(held: readonly PushSession[]): Promise<void> {
    const { store, log } = this.#options;
    for (const session of held) {
      for (const hostId of session.ranges.hosts()) {
        const host = await migrationHosts.find(store.db, hostId);
        if (host !== undefined && host.unlinked_at === null) continue;
        session.ranges.end({ hostId }, session.refused).catch((error: unknown) => {
          log.warn({ err: error }, 'ranges of a host that was unlinked are not settled yet');
        });
      }
      await session.ranges.settle();
    }
  }

  /** Why each session may not go on, or null. Those that may are renewed if that is wanted. */
  async #judge(
    ex: Executor,
    held: readonly PushSession[],
    renews: boolean,
  ): Promise<ReadonlyMap<PushSession, PushError | null>> {
    const { dialect, nodeId } = this.#options.store;
    // A removal that is under way is waited for, and then seen (rule C1).
    if (renews) {
      await links.listForShare(ex, [...new Set(held.map(({ identity }) => identity.linkId))]);
    }
    const standings = new Map(
      (await pushSessions.listHeld(ex, dialect, nodeId)).map((one) => [one.id, one]),
    );
    const verdicts = new Map<PushSession, PushError | null>();
    for (const session of held) {
      verdicts.set(session, verdictOn(session, standings.get(session.identity.id)));
    }
    if (!renews) return verdicts;
    const ids = held
      .filter((session) => verdicts.get(session) === null)
      .map(({ identity }) => identity.id);
    const { termMs } = this.#options;
    const renewed = new Set(await pushSessions.renew(ex, dialect, { nodeId, ids, termMs }));
    for (const session of held) {
      if (verdicts.get(session) === null && !renewed.has(session.identity.id)) {
        verdicts.set(session, LOST);
      }
    }
    return verdicts;
  }

  /** In the background, until it is proven that nothing of it is under way. */
  #retire(session: PushSession): void {
    const { sessions, log, stopping } = this.#options;
    if (this.#retiring.has(session)) return;
    this.#retiring.add(session);
    sessions
      .retire(session, LOST, stopping)
      .catch((error: unknown) => {
        if (stopping.aborted) return;
        const { clusterName: cluster } = session.identity;
        log.warn({ err: error, cluster }, 'a push session that was ended is not settled yet');
      })
      .finally(() => this.#retiring.delete(session));
  }

  /** Those that are in the store, or may be. */
  #numbered(): PushSession[] {
    return this.#options.sessions.list().filter(({ epoch }) => epoch > 0);
  }

  async #report(): Promise<void> {
    const { db, dialect, nodeId, sealer } = this.#options.store;
    const key_ids = JSON.stringify(sealer.keyIds);
    await nodes.report(db, dialect, { id: nodeId, url: this.#url, key_ids });
    await nodes.removeSilent(db, dialect, SILENT_MS);
    this.#reportedAt = performance.now();
  }
}

function verdictOn(
  { epoch, identity }: PushSession,
  standing: pushSessions.Standing | undefined,
): PushError | null {
  if (standing === undefined) return LOST;
  if (standing.linkState !== 'LINKED') return LINK_REMOVED;
  if (standing.linkSuspendedAt !== null) return LINK_SUSPENDED;
  if (standing.newestEpoch > epoch) {
    return liveMigrations.ACTIVE.includes(standing.status) ? FENCED : MIGRATION_ENDED;
  }
  if (identity.purpose === 'drop') {
    return standing.copiedData === 'DROPPING' ? null : MIGRATION_ENDED;
  }
  if (!liveMigrations.ACTIVE.includes(standing.status)) return MIGRATION_ENDED;
  if (standing.hostUnlinkedAt !== null) return new PushError('LINK_REFUSED', UNLINKED);
  return standing.pausedAt === null ? null : PAUSED;
}
