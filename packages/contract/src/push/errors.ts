/**
 * Error codes of the push protocol, sent as `errorCode` in the error body that the API uses too:
 * `{ detail, error: <status>, errorCode, parameters, reason }`.
 */
export const PUSH_ERRORS = {
  /** The link-token is unknown, expired, or was used by another migration host. Final. */
  LINK_TOKEN_REFUSED: { status: 401, retry: false },
  /** The host is unknown or its link was removed. Final: the agent stops all work of that link. */
  LINK_REFUSED: { status: 401, retry: false },
  /**
   * The server's state was restored from a backup and no owner has confirmed the link yet: the same
   * request again later. Agents that do not know the code do that for its status.
   */
  LINK_SUSPENDED: { status: 503, retry: true },
  /**
   * The server wants a certificate of a migration host's, and none came that it trusts. Nothing ends by
   * that: a new certificate is all it takes. Agents that do not know the code try again for its status.
   */
  CLIENT_CERTIFICATE_REFUSED: { status: 503, retry: true },
  /** The server does not speak the agent's version of the protocol. */
  PUSH_VERSION_UNSUPPORTED: { status: 400, retry: false },
  /** A message does not have the documented shape; the detail names the field. */
  MESSAGE_INVALID: { status: 400, retry: false },
  /** Namespaces that are never pushed to: admin, config, local, system.* (rule C12). */
  NAMESPACE_REFUSED: { status: 403, retry: false },
  /** The server did not create that collection for this migration (rule D11). */
  NAMESPACE_NOT_CREATED: { status: 409, retry: false },
  /** A collection that the migration had made is not at the destination any more: copy it again. */
  NAMESPACE_GONE: { status: 409, retry: false },
  /** The migration has ended or is not this host's. Final for the migration. */
  MIGRATION_NOT_ACTIVE: { status: 409, retry: false },
  /**
   * The migration is paused: stop pushing, keep the journal, go on once `paused` is gone from work. The
   * status is one that agents of version 1, which do not know the code, answer by trying again.
   */
  MIGRATION_PAUSED: { status: 503, retry: false },
  /** The server does not hold that session (it restarted): open a new one and go on. */
  SESSION_UNKNOWN: { status: 409, retry: false },
  /**
   * A newer session of the migration was opened: this runner stops (invariant I5). It may open one
   * again with `unlessInUse`, once the newer one has gone.
   */
  SESSION_FENCED: { status: 409, retry: false },
  /**
   * The sub-lease is over: its range was copied, taken back, or its host was silent. Nothing more of it is
   * written.
   */
  SUB_LEASE_ENDED: { status: 409, retry: false },
  /** A request of a lane came after a later one of the same lane was taken. */
  LANE_STALE: { status: 409, retry: false },
  /** The digest cursor is gone: start the walk of that collection again. */
  DIGEST_CURSOR_LOST: { status: 409, retry: false },
  /** A collection or index cannot be made equal to the source's; the detail says what and why. */
  STRUCTURE_REFUSED: { status: 409, retry: false },
  /** The destination cluster refused for good (authorization, for example); the detail names it. */
  DESTINATION_REFUSED: { status: 502, retry: false },
  /** The destination cluster cannot be reached or is not ready: the same request again later. */
  DESTINATION_UNAVAILABLE: { status: 503, retry: true },
  /** This node of the server cannot answer now: it stops, or cannot reach the one that can. */
  NODE_UNAVAILABLE: { status: 503, retry: true },
  /** The server's store does not answer: the same request again later. */
  STORE_UNAVAILABLE: { status: 503, retry: true },
} as const satisfies Record<string, { status: number; retry: boolean }>;

export type PushErrorCode = keyof typeof PUSH_ERRORS;
