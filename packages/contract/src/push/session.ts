import Type, { type Static } from 'typebox';

import { closed, Count, Id, LARGEST, Nullable } from './schemas.ts';
import { Verification } from './verification.ts';

/** How a push session is opened, answered and ended. Its BSON bodies are in `batch.ts` and `structure.ts`. */

/** As Atlas has it. */
export const LiveMigrationStatus = Type.Enum(['NEW', 'WORKING', 'FAILED', 'COMPLETE', 'EXPIRED']);

/**
 * `POST /migrations/{id}/sessions`. Opens a push session and fences every older one: it is answered
 * only when no write of an older session can still reach the destination (invariant I5). The first
 * session of a migration that asked for it drops what the destination holds.
 */
export const OpenSession = Type.Object(
  {
    /**
     * Answered SESSION_FENCED while the newest session still reports: a runner that was fenced takes
     * over only from one that has gone. Absent before version 3.
     */
    unlessInUse: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type OpenSession = Static<typeof OpenSession>;

export const OpenSessionReply = Type.Object(
  {
    sessionId: Id,
    sessionSecret: Type.String(),
    epoch: Type.Integer({ minimum: 1 }),
    /**
     * How often the migration was given to another migration host. A journal that began at another
     * number tells nothing of what the destination holds (rule D11). Absent before version 3: 0.
     */
    hostChanges: Type.Optional(Count),
    /**
     * The structural request that was carried out last, in whatever session: an agent whose journal has not
     * counted that far has an older copy of it (rule D11). Absent before version 3.
     */
    lastStructure: Type.Optional(
      Type.Object(
        {
          /** Of its session; 0: there was none. */
          epoch: Count,
          /** Its `number`, 0 where it had none. */
          number: Count,
        },
        closed,
      ),
    ),
  },
  closed,
);
export type OpenSessionReply = Static<typeof OpenSessionReply>;

/**
 * `POST /migrations/{id}/status`: what became of a migration that this host has, or had, on the same link.
 * Since version 3.
 */
export const MigrationStatus = Type.Object(
  {
    /**
     * No session that this host has opened completes the migration from here on, whatever is under way:
     * WORKING is no answer that could be overtaken.
     */
    fence: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type MigrationStatus = Static<typeof MigrationStatus>;

export const MigrationStatusReply = Type.Object(
  {
    status: LiveMigrationStatus,
    /** Another host has the migration, or had it when it ended. */
    elsewhere: Type.Optional(Type.Literal(true)),
    /** Of one that is elsewhere: nobody has taken over the write block that the host which asks had told of. */
    writeBlockLeft: Type.Optional(Type.Literal(true)),
  },
  closed,
);
export type MigrationStatusReply = Static<typeof MigrationStatusReply>;

/** The answer to a batch of documents, sent after `{w: "majority", j: true}` was acknowledged. */
export const DocumentsReply = Type.Object(
  {
    /** Documents of the batch that the destination now holds (or no longer holds, for deletes). */
    written: Count,
    /** Of an insert batch: how many were there already. */
    duplicates: Count,
    /** Documents that were not written; their keys are still to be pushed. */
    failures: Type.Array(
      Type.Object(
        {
          index: Count,
          code: Type.Integer(),
          message: Type.String(),
          /** Of the document that has its key in a unique index: its key, raw BSON in base64. */
          holder: Type.Optional(Type.String()),
        },
        closed,
      ),
    ),
    /** Milliseconds that the destination took to write them; absent before version 2. */
    destinationMs: Type.Optional(Count),
  },
  closed,
);
export type DocumentsReply = Static<typeof DocumentsReply>;

export const StructureReply = Type.Object(
  {
    /** What was done at the destination, in words, for the log. Empty when it was equal already. */
    changes: Type.Array(Type.String()),
  },
  closed,
);
export type StructureReply = Static<typeof StructureReply>;

/** Why structure cannot be made, with a code of `PUSH_ERRORS`. */
export const StructureRefusal = Type.Object(
  {
    code: Type.String(),
    message: Type.String(),
    /** Keys of two documents that a unique index cannot hold together, raw BSON in base64. */
    holders: Type.Optional(Type.Array(Type.String(), { maxItems: 2 })),
  },
  closed,
);
export type StructureRefusal = Static<typeof StructureRefusal>;

/** What came of each request of a `structures`, in their order. */
export const StructuresReply = Type.Object(
  {
    results: Type.Array(
      Type.Object(
        {
          changes: Type.Array(Type.String()),
          refused: Nullable(StructureRefusal),
        },
        closed,
      ),
    ),
  },
  closed,
);
export type StructuresReply = Static<typeof StructuresReply>;

/** `POST /sessions/{id}/complete`: the cutover is done; the migration becomes COMPLETE. 204, idempotent. */
export const Complete = Type.Object(
  {
    cutoverAttempt: Type.Integer({ minimum: 1, ...LARGEST }),
    verified: Type.Object({ collections: Count, documents: Count }, closed),
    /** What is kept with the migration; absent before version 3. */
    verification: Type.Optional(Verification),
  },
  closed,
);
export type Complete = Static<typeof Complete>;

/** Of a reason, in characters; a longer one is refused. */
export const MOST_OF_A_REASON = 2000;

/** `POST /sessions/{id}/cutoverFailed`: back to WORKING, with the reason. 204. */
export const CutoverFailed = Type.Object(
  {
    cutoverAttempt: Type.Integer({ minimum: 1, ...LARGEST }),
    reason: Type.String({ maxLength: MOST_OF_A_REASON }),
  },
  closed,
);
export type CutoverFailed = Static<typeof CutoverFailed>;

/** `POST /sessions/{id}/fail`: the migration cannot go on; it becomes FAILED with the reason. 204. */
export const Fail = Type.Object({ reason: Type.String({ maxLength: MOST_OF_A_REASON }) }, closed);
export type Fail = Static<typeof Fail>;
