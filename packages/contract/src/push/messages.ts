import Type, { type Static } from 'typebox';

import { MAX_SAMPLE_BYTES, MAX_SAMPLES } from './structure.ts';
import { CutoverVerification, Verification } from './verification.ts';

/** Messages with a JSON body. Those with a BSON body are in `batch.ts` and `structure.ts`. */

const Id = Type.String({ pattern: '^[0-9a-f]{24}$' });
const Count = Type.Integer({ minimum: 0 });
const Nullable = <T extends Type.TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
const closed = { additionalProperties: false } as const;

/** As Atlas has it. */
export const LiveMigrationStatus = Type.Enum(['NEW', 'WORKING', 'FAILED', 'COMPLETE', 'EXPIRED']);

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

/** The source that a validation or a migration names; credentials were given in its request. */
export const Source = Type.Object(
  {
    projectId: Id,
    clusterName: Type.String(),
    managedAuthentication: Type.Boolean(),
    username: Nullable(Type.String()),
    password: Nullable(Type.String()),
    ssl: Type.Boolean(),
    caCertificatePath: Nullable(Type.String()),
  },
  closed,
);
export type Source = Static<typeof Source>;

const Pattern = Type.String({ minLength: 1, maxLength: 512 });

/**
 * Which namespaces a migration moves, and what they are called at the destination. Patterns and names are
 * written as `namespaces/pattern.ts` reads them.
 */
export const Namespaces = Type.Object(
  {
    /** Empty: everything. */
    include: Type.Array(Pattern, { maxItems: 1000 }),
    /** Wins over `include`. */
    exclude: Type.Array(Pattern, { maxItems: 1000 }),
    /** A database to a database, or a namespace to a namespace, which wins. */
    rename: Type.Array(Type.Object({ from: Pattern, to: Pattern }, closed), { maxItems: 1000 }),
  },
  closed,
);
export type Namespaces = Static<typeof Namespaces>;

/** The most that a migration may push in a second; null: no limit. */
export const Throttle = Type.Object(
  {
    /** Bytes of documents, before compression. */
    bytesPerSecond: Nullable(Type.Integer({ minimum: 1 })),
    documentsPerSecond: Nullable(Type.Integer({ minimum: 1 })),
  },
  closed,
);
export type Throttle = Static<typeof Throttle>;

/**
 * Work is a wanted state, not a queue: the reply lists everything that this host should be doing
 * now. What is not in the list any more is stopped.
 */
export const WorkItem = Type.Union([
  Type.Object(
    {
      kind: Type.Literal('validation'),
      id: Id,
      source: Source,
      /** As the migration would; absent before version 3. */
      blockSourceWrites: Type.Optional(Type.Boolean()),
      /** Absent where all is to be moved under its own name, and before version 3. */
      namespaces: Type.Optional(Namespaces),
    },
    closed,
  ),
  Type.Object(
    {
      kind: Type.Literal('migration'),
      id: Id,
      source: Source,
      /** 0 while no cutover is wanted, else the number of the attempt: a failed one is not tried again. */
      cutoverAttempt: Count,
      /** Nothing is pushed while it is true; absent before version 2. */
      paused: Type.Optional(Type.Boolean()),
      /** Never changes. Absent where all is moved under its own name, and before version 3. */
      namespaces: Type.Optional(Namespaces),
      /** May change while it runs. Absent where there is no limit, and before version 3. */
      throttle: Type.Optional(Throttle),
      /** A cutover blocks the writes of the source first; absent before version 3. */
      blockSourceWrites: Type.Optional(Type.Boolean()),
      /** A host that had this before has blocked them, or was about to, and has not said that it lifted that. */
      writeBlockLeft: Type.Optional(Type.Literal(true)),
      /** Numbers of the last verification and repair that were asked for; absent: none, or version 2. */
      verifyAttempt: Type.Optional(Count),
      repairAttempt: Type.Optional(Count),
      /** How often it was given to another migration host; absent: never. */
      hostChanges: Type.Optional(Count),
      /** Absent means CHANGED. */
      cutoverVerification: Type.Optional(CutoverVerification),
    },
    closed,
  ),
  /** Ranges of a migration of another host are to be copied: see `ranges.ts`. Since version 3. */
  Type.Object(
    {
      kind: Type.Literal('copy'),
      /** Of the push session whose sub-leases are to be taken. */
      id: Id,
      migrationId: Id,
      source: Source,
      /** Of the whole migration. */
      throttle: Type.Optional(Throttle),
    },
    closed,
  ),
]);
export type WorkItem = Static<typeof WorkItem>;
export type ValidationWork = Extract<WorkItem, { kind: 'validation' }>;
export type MigrationWork = Extract<WorkItem, { kind: 'migration' }>;
export type CopyWork = Extract<WorkItem, { kind: 'copy' }>;

/** `POST /work`: a long poll that answers when the list differs from the one of `knownRevision`. */
export const WorkRequest = Type.Object(
  {
    knownRevision: Nullable(Type.String({ maxLength: 128 })),
    waitSeconds: Type.Integer({ minimum: 0, maximum: 60 }),
  },
  closed,
);
export type WorkRequest = Static<typeof WorkRequest>;

export const WorkReply = Type.Object(
  { revision: Type.String(), work: Type.Array(WorkItem) },
  closed,
);
export type WorkReply = Static<typeof WorkReply>;

/** One thing a validation found. Codes are those of `api/findings.ts`; messages hold no secret. */
export const Finding = Type.Object(
  {
    code: Type.String({ pattern: '^[A-Z][A-Z0-9_]*$' }),
    /** information since version 3. */
    severity: Type.Enum(['error', 'warning', 'information']),
    message: Type.String({ maxLength: 2000 }),
  },
  closed,
);
export type Finding = Static<typeof Finding>;

/** How much a migration would move, and at what pace. Since version 3. */
export const SourceSize = Type.Object(
  {
    collections: Count,
    documents: Count,
    /** On disk at the source, compressed. */
    storageBytes: Count,
    indexBytes: Count,
    /** Of documents, by one reader; null where there was too little to tell it from. */
    readBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    sampledBytes: Count,
    /** Of documents, compressed as the sample was, by one sender. */
    linkBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    /** From the slower of the two; what the destination takes to write is not in it. */
    copySeconds: Nullable(Count),
  },
  closed,
);
export type SourceSize = Static<typeof SourceSize>;

/**
 * `POST /validations/{id}/probe`, a body of at most {@link PROBE_BYTES} that means nothing: how fast the
 * link is. Answered 204. Since version 3.
 */
export const PROBE_BYTES = 1024 * 1024;

/**
 * `POST /validations/{id}/report`: what the source side found, and what would be written. The
 * server checks the destination side and settles the validation. Answered 204.
 */
export const ValidationReport = Type.Object(
  {
    findings: Type.Array(Finding, { maxItems: 1000 }),
    namespaces: Type.Array(Type.Object({ db: Type.String(), coll: Type.String() }, closed), {
      maxItems: 100_000,
    }),
    dataBytes: Count,
    /** What the source is, to be compared with the destination. Absent before version 3. */
    source: Type.Optional(
      Type.Object(
        {
          mongoDBVersion: Type.String({ maxLength: 64 }),
          featureCompatibilityVersion: Type.String({ maxLength: 64 }),
          replicaSetId: Nullable(Type.String({ maxLength: 64 })),
          /** Of the process that answered. */
          processId: Nullable(Type.String({ maxLength: 64 })),
          /** How far its clock is ahead of the agent's. */
          clockOffsetMs: Nullable(Type.Integer()),
        },
        closed,
      ),
    ),
    size: Type.Optional(SourceSize),
    /** Kinds of options and indexes, to be tried at the destination: `StructureSample`s. Since version 3. */
    samples: Type.Optional(
      Type.Array(Type.String({ maxLength: 2 * MAX_SAMPLE_BYTES }), { maxItems: MAX_SAMPLES }),
    ),
    /** Kinds that are not among them, because there are too many, or they are too large. */
    samplesLeftOut: Type.Optional(Count),
    /** The agent's clock when it sent this, in milliseconds since 1970. */
    sentAt: Type.Optional(Type.Integer()),
  },
  closed,
);
export type ValidationReport = Static<typeof ValidationReport>;

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

/** Phases of a running migration, in order; a failed cutover goes back to TAILING. */
export const Phase = Type.Union([
  Type.Literal('STARTING'),
  Type.Literal('COPYING'),
  Type.Literal('INDEXING'),
  Type.Literal('TAILING'),
  Type.Literal('DRAINING'),
  Type.Literal('VERIFYING'),
  Type.Literal('FINALIZING'),
  Type.Literal('COMPLETE'),
]);
export type Phase = Static<typeof Phase>;

/** Amounts a second over the last minute, of what the destination acknowledged. */
export const Rates = Type.Object(
  {
    /** Copied for the first time. */
    documentsPerSecond: Type.Number({ minimum: 0 }),
    /** Of documents before compression, copied and changed ones. */
    bytesPerSecond: Type.Number({ minimum: 0 }),
    /** Changed documents and deletes. */
    changesPerSecond: Type.Number({ minimum: 0 }),
    /** Sent after compression, attempts included that were not acknowledged. */
    wireBytesPerSecond: Type.Number({ minimum: 0 }),
  },
  closed,
);
export type Rates = Static<typeof Rates>;

/**
 * What a migration would be faster without: reading the SOURCE, the NETWORK to the server and what it
 * does there, writing to the DESTINATION, its THROTTLE (since version 3), or WAITING for what
 * `waitingFor` names.
 */
export const HoldingBack = Type.Enum(['SOURCE', 'NETWORK', 'DESTINATION', 'THROTTLE', 'WAITING']);
export type HoldingBack = Static<typeof HoldingBack>;

/**
 * `POST /sessions/{id}/report`: progress, counted from what the destination acknowledged (I8). 204.
 * `POST /migrations/{id}/paused`: the same of a paused migration, which has no session. 204.
 */
export const Progress = Type.Object(
  {
    phase: Phase,
    /** Seconds between the source's clock and the moment up to which all is at the destination. */
    lagSeconds: Nullable(Count),
    readyForCutover: Type.Boolean(),
    documentsCopied: Count,
    documentsTotal: Count,
    bytesCopied: Count,
    bytesTotal: Count,
    /** Keys known to have changed at the source and not yet at the destination. */
    keysPending: Count,
    /** Documents pushed after the copy of their collection. */
    documentsFlushed: Count,
    /** What the migration is waiting for now, in words, or null. */
    waitingFor: Nullable(Type.String({ maxLength: 500 })),
    warnings: Type.Array(Type.String({ maxLength: 500 }), { maxItems: 100 }),
    /** null while there is too little to tell them from, and while it is paused. */
    rates: Type.Optional(Nullable(Rates)),
    /** Seconds until the copy is done, or until no change is pending; null where that cannot be told. */
    etaSeconds: Type.Optional(Nullable(Count)),
    /** null where there is nothing to do, or it cannot be told. */
    holdingBack: Type.Optional(Nullable(HoldingBack)),
    /** Absent before version 3. */
    verification: Type.Optional(Verification),
    /** Whether this host has recorded a write block at the source; absent: nothing new is known of it. */
    sourceWriteBlock: Type.Optional(Type.Boolean()),
    /** How many there are, listed or not, and how many of them are copied. */
    collectionsTotal: Type.Optional(Count),
    collectionsCopied: Type.Optional(Count),
    /** The collections with most left to do come first; not all of many are listed. */
    collections: Type.Array(
      Type.Object(
        {
          db: Type.String(),
          coll: Type.String(),
          state: Type.Union([
            Type.Literal('PENDING'),
            Type.Literal('COPYING'),
            Type.Literal('COPIED'),
          ]),
          documentsCopied: Count,
          documentsTotal: Count,
          bytesCopied: Count,
          bytesTotal: Count,
        },
        closed,
      ),
      { maxItems: 1000 },
    ),
  },
  closed,
);
export type Progress = Static<typeof Progress>;

/** `POST /sessions/{id}/complete`: the cutover is done; the migration becomes COMPLETE. 204, idempotent. */
export const Complete = Type.Object(
  {
    cutoverAttempt: Type.Integer({ minimum: 1 }),
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
    cutoverAttempt: Type.Integer({ minimum: 1 }),
    reason: Type.String({ maxLength: MOST_OF_A_REASON }),
  },
  closed,
);
export type CutoverFailed = Static<typeof CutoverFailed>;

/** `POST /sessions/{id}/fail`: the migration cannot go on; it becomes FAILED with the reason. 204. */
export const Fail = Type.Object({ reason: Type.String({ maxLength: MOST_OF_A_REASON }) }, closed);
export type Fail = Static<typeof Fail>;
