import * as pushSessions from '../store/pushSessions.ts';
import type { Store } from '../store/store.ts';
import type { PushError } from './errors.ts';
import type { PushSession } from './session.ts';

/** Sessions of one link, one migration host or one migration. */
export type SessionScope =
  | { readonly linkId: string }
  | { readonly hostId: string }
  | { readonly migrationId: string };

/** Signals between nodes: that session is settled. */
export const SETTLED_TOPIC = 'settled';

/** The push sessions that this process holds, those being opened included. */
export class Sessions {
  readonly #store: Store;
  readonly #sessions = new Map<string, PushSession>();
  readonly #obstacles = new Map<string, string>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** Before its row is written, so that whoever fences it after that finds it. */
  add(session: PushSession): void {
    this.#sessions.set(session.identity.id, session);
  }

  get(id: string): PushSession | undefined {
    return this.#sessions.get(id);
  }

  list(scope?: SessionScope): PushSession[] {
    const all = [...this.#sessions.values()];
    if (scope === undefined) return all;
    return all.filter(({ identity }) => {
      if ('linkId' in scope) return identity.linkId === scope.linkId;
      if ('hostId' in scope) return identity.hostId === scope.hostId;
      return identity.migrationId === scope.migrationId;
    });
  }

  /** Why it is not proven yet that nothing of a session is under way, for people; those of others included. */
  noteObstacle(id: string, reason: string): void {
    this.#obstacles.set(id, reason);
  }

  /** Once nobody here tries to prove it any more. */
  forgetObstacle(id: string): void {
    this.#obstacles.delete(id);
  }

  obstacle(id: string): string | null {
    return this.#obstacles.get(id) ?? null;
  }

  /**
   * Ends a session: nothing is sent any more, and when this comes back nothing of it is under way.
   * May be called again, and from several sides.
   * @throws the signal's reason; the session stays until that is proven
   */
  async retire(session: PushSession, reason: PushError, signal: AbortSignal): Promise<void> {
    const { id } = session.identity;
    session.refuse(reason);
    await session.settle(signal).finally(() => this.forgetObstacle(id));
    const { db, dialect, signals } = this.#store;
    const isFirst = await pushSessions.settle(db, id);
    this.#sessions.delete(id);
    // A hint for whoever waits for it on another node: one that it does not reach looks by itself.
    if (isFirst && dialect.isShared) void signals.send(db, SETTLED_TOPIC, id).catch(() => {});
  }
}
