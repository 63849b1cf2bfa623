/** A cluster for which something cannot be proven or done now. */
export interface Unproven {
  readonly unprovenCluster: string;
  /** What is in the way there, for people, if that is known. */
  readonly obstacle?: string;
}

/**
 * What operations need from the side that talks to destination clusters. Implemented by the gateway
 * and wired in `main.ts`, so that operations depend on nothing that moves data.
 */
export interface LinkFence {
  /**
   * Refuses every further write for the link at once, then waits until each write that was sent to
   * a destination for it has been answered or is proven to be gone (rules C1 to C3).
   * @returns null once that is proven, else the name of a cluster for which it cannot be proven now
   */
  settle(linkId: string, signal: AbortSignal): Promise<Unproven | null>;
  /** The same for one migration host of the link, which is refused already. */
  settleHost(linkId: string, hostId: string, signal: AbortSignal): Promise<Unproven | null>;
}

export interface MigrationFence {
  /**
   * Why it is not proven yet that nothing of a push session is under way, for people, as the last attempt of
   * this node found; null where none has failed.
   */
  obstacle(sessionId: string): string | null;
  /** As {@link LinkFence.settle} does for a link, for one migration that has ended. */
  settleMigration(migrationId: string, signal: AbortSignal): Promise<Unproven | null>;
  /**
   * Refuses every further write of a paused migration at once, aborts builds of indexes, and comes back
   * when what the nodes that run had sent was answered. A session that is opened meanwhile, because the
   * migration goes on, waits for that too and is not touched.
   * @throws {Error} when the server stops before
   */
  holdMigration(migrationId: string): Promise<void>;
  /**
   * Drops what a canceled migration made, one by one, if that is wanted and still to be done; its
   * sessions must be settled. Ends without it where the link is removed meanwhile (invariant I1).
   * @returns null once nothing is left to be done, else the name of the cluster that does not do it now
   */
  dropCopied(migrationId: string, signal: AbortSignal): Promise<Unproven | null>;
}

/** The result of connecting to a destination cluster. Codes are coarse (rule C13). */
export type ConnectionTest =
  | {
      readonly ok: true;
      readonly mongoDBVersion: string;
      readonly topology: string;
      /** Whether it refuses what a push session's predecessors have under way (rule D14). */
      readonly fence: 'ENFORCED' | 'NOT_ENFORCED';
    }
  | {
      readonly ok: false;
      readonly code:
        | 'HOST_NOT_FOUND'
        | 'CONNECTION_REFUSED'
        | 'TIMED_OUT'
        | 'TLS_FAILED'
        | 'AUTHENTICATION_FAILED'
        | 'STANDALONE'
        | 'UNREACHABLE';
      /** For people: the host and the reason, no credentials. */
      readonly message: string;
    };

export interface DestinationProbe {
  test(uri: string, signal: AbortSignal): Promise<ConnectionTest>;
}

/** Wakes long polls of a link's hosts: something they should do has changed. A hint only. */
export interface WorkSignal {
  changed(linkId: string): void;
}
