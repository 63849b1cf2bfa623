import Type, { type Static } from 'typebox';

import { closed, Count, Id, Nullable } from './schemas.ts';
import { CutoverVerification } from './verification.ts';

/** What a migration host should be doing now. */

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
