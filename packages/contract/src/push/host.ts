import Type, { type Static } from 'typebox';

import { closed, Count, Id } from './schemas.ts';

/** What a migration host says of itself: its registration, and what it can read. */

/**
 * `POST /hosts`, authenticated by `Authorization: Bearer <link-token>`. Idempotent for the same
 * `hostId` and `hostSecret`; uses the token up. Every later request is authenticated by
 * `Authorization: Bearer <hostId>.<hostSecret>`.
 */
export const RegisterHost = Type.Object(
  {
    hostId: Id,
    /** 256 random bits in hex, made by the agent; the server keeps its hash only. */
    hostSecret: Type.String({ pattern: '^[0-9a-f]{64}$' }),
    hostname: Type.String({ minLength: 1, maxLength: 253 }),
    agentVersion: Type.String({ maxLength: 64 }),
  },
  closed,
);
export type RegisterHost = Static<typeof RegisterHost>;

export const RegisterHostReply = Type.Object(
  { orgId: Id, linkId: Id, heartbeatSeconds: Type.Integer({ minimum: 1 }) },
  closed,
);
export type RegisterHostReply = Static<typeof RegisterHostReply>;

/** One source deployment as `availableProjects` shows it. */
export const Deployment = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 256 }),
    mongoDBVersion: Type.String({ maxLength: 64 }),
    featureCompatibilityVersion: Type.String({ maxLength: 64 }),
    managed: Type.Boolean(),
    sharded: Type.Boolean(),
    tlsEnabled: Type.Boolean(),
    dbSizeBytes: Type.Optional(Count),
    oplogSizeMB: Type.Optional(Count),
  },
  closed,
);
export type Deployment = Static<typeof Deployment>;

/** A host whose heartbeat was not taken for this long is not in touch, in milliseconds. */
export const HEARTBEAT_FRESH_MS = 90_000;

/** `POST /inventory`: what the host can read. Sent at every heartbeat; answered 204. */
export const Inventory = Type.Object(
  {
    hostname: Type.String({ minLength: 1, maxLength: 253 }),
    agentVersion: Type.String({ maxLength: 64 }),
    projects: Type.Array(
      Type.Object(
        {
          projectId: Id,
          name: Type.String({ minLength: 1, maxLength: 64 }),
          deployments: Type.Array(Deployment, { maxItems: 1000 }),
        },
        closed,
      ),
      { maxItems: 1000 },
    ),
  },
  closed,
);
export type Inventory = Static<typeof Inventory>;

/**
 * `POST /unlink`: the source side has unlinked this host. Answered 204; the host's credentials are
 * refused from then on. Nothing is removed at the destination.
 */
export const Unlink = Type.Object({}, closed);
export type Unlink = Static<typeof Unlink>;
