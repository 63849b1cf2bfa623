import Type, { type Static } from 'typebox';
import { Progress } from '../push/progress.ts';
import { LiveMigrationStatus } from '../push/session.ts';
import { Finding } from '../push/validation.ts';
import { Namespaces, Throttle } from '../push/work.ts';
import { CutoverVerification } from '../push/verification.ts';
import { closed, Id, Nullable, ReadOnly, Time } from './common.ts';

const OptionalText = Type.Optional(Nullable(Type.String()));

const Source = Type.Object(
  {
    clusterName: Type.String({ minLength: 1 }),
    groupId: Id,
    managedAuthentication: Type.Boolean(),
    ssl: Type.Boolean(),
    caCertificatePath: OptionalText,
    username: OptionalText,
    password: OptionalText,
  },
  closed,
);

const Destination = Type.Object(
  {
    clusterName: Type.String({ minLength: 1 }),
    groupId: Id,
    /** Absent means PUBLIC; the registered connection string decides in any case. */
    hostnameSchemaType: Type.Optional(Type.Enum(['PUBLIC', 'PRIVATE_LINK', 'VPC_PEERING'])),
    privateLinkId: OptionalText,
  },
  closed,
);

const request = {
  destination: Destination,
  migrationHosts: Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 1 }),
  source: Source,
  sharding: Type.Optional(Type.Unknown()),
  _id: ReadOnly,
  links: ReadOnly,
};

/** Body of create and validate in version 2023-01-01 and in v1.0. */
export const CreateLiveMigration20230101 = Type.Object(
  { ...request, dropEnabled: Type.Boolean() },
  closed,
);
export type CreateLiveMigration20230101 = Static<typeof CreateLiveMigration20230101>;

/** Body of create and validate in version 2024-05-30. */
export const CreateLiveMigration20240530 = Type.Object(
  { ...request, dropDestinationData: Type.Optional(Type.Boolean()) },
  closed,
);
export type CreateLiveMigration20240530 = Static<typeof CreateLiveMigration20240530>;

/** An attribute that is absent stays as it is; null takes the limit away. */
const ThrottleChange = Type.Object(
  {
    bytesPerSecond: Type.Optional(Throttle.properties.bytesPerSecond),
    documentsPerSecond: Type.Optional(Throttle.properties.documentsPerSecond),
  },
  closed,
);
export type ThrottleChange = Static<typeof ThrottleChange>;

/** The longest window that can be asked for: a year. */
const WindowHours = Type.Integer({ minimum: 1, maximum: 8760 });

const NamespacesRequest = Type.Object(
  {
    include: Type.Optional(Namespaces.properties.include),
    exclude: Type.Optional(Namespaces.properties.exclude),
    rename: Type.Optional(Namespaces.properties.rename),
  },
  closed,
);
export type NamespacesRequest = Static<typeof NamespacesRequest>;

/** Body of Linkspan's own validate: as in version 2024-05-30, with what is to be moved. */
export const ValidateLiveMigrationOwn = Type.Object(
  {
    ...CreateLiveMigration20240530.properties,
    /**
     * Whether a cutover begins by blocking the writes of the source, where its side allows that too;
     * false if absent.
     */
    blockSourceWrites: Type.Optional(Type.Boolean()),
    /**
     * Hostnames or ids. Of several, and of all hosts of the link if absent, the server picks one that is
     * in touch and can read the source: the one with the fewest live migrations.
     */
    migrationHosts: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { minItems: 1, maxItems: 100 }),
    ),
    namespaces: Type.Optional(Nullable(NamespacesRequest)),
  },
  closed,
);
export type ValidateLiveMigrationOwn = Static<typeof ValidateLiveMigrationOwn>;

/** Body of Linkspan's own create: the same, with how it is to be moved. */
export const CreateLiveMigrationOwn = Type.Object(
  {
    ...ValidateLiveMigrationOwn.properties,
    throttle: Type.Optional(Nullable(ThrottleChange)),
    /** What a cutover compares; CHANGED if absent. */
    verification: Type.Optional(CutoverVerification),
    windowHours: Type.Optional(WindowHours),
  },
  closed,
);
export type CreateLiveMigrationOwn = Static<typeof CreateLiveMigrationOwn>;

/** What can be changed of a live migration that has not ended. */
export const UpdateLiveMigration = Type.Object(
  {
    /** null takes every limit away. */
    throttle: Type.Optional(Nullable(ThrottleChange)),
    /** All of the window, counted from its beginning: a larger number than before extends it. */
    windowHours: Type.Optional(WindowHours),
  },
  closed,
);
export type UpdateLiveMigration = Static<typeof UpdateLiveMigration>;

export const MoveLiveMigration = Type.Object(
  {
    /** Hostname or id of the host that takes over; the one with the fewest live migrations if absent. */
    migrationHost: Type.Optional(Type.String({ minLength: 1 })),
  },
  closed,
);
export type MoveLiveMigration = Static<typeof MoveLiveMigration>;

export const CancelLiveMigration = Type.Object(
  {
    /** Whether every collection and view that the migration made is dropped; false if absent. */
    dropCopied: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type CancelLiveMigration = Static<typeof CancelLiveMigration>;

/** Attributes for which clients send an empty string when they do not use them. */
export const EMPTY_MEANS_ABSENT: readonly (readonly [string, string])[] = [
  ['destination', 'hostnameSchemaType'],
  ['destination', 'privateLinkId'],
  ['source', 'caCertificatePath'],
  ['source', 'password'],
  ['source', 'username'],
];

const liveMigration = {
  _id: Id,
  /** Seconds; null before the first report. */
  lagTimeSeconds: Nullable(Type.Integer({ minimum: 0 })),
  migrationHosts: Type.Array(Type.String()),
  readyForCutover: Type.Boolean(),
  status: LiveMigrationStatus,
};
export const LiveMigration = Type.Object(liveMigration, closed);
export type LiveMigration = Static<typeof LiveMigration>;

const validation = {
  _id: Id,
  errorMessage: Nullable(Type.String()),
  groupId: Id,
  sourceGroupId: Id,
  status: Type.Enum(['PENDING', 'SUCCESS', 'FAILED']),
};
export const LiveMigrationValidation = Type.Object(validation, closed);
export type LiveMigrationValidation = Static<typeof LiveMigrationValidation>;

/**
 * What a live migration is doing, in one word: as `status`, which stays as Atlas has it, with what Atlas
 * has no word for.
 */
export const LiveMigrationState = Type.Enum([
  'NEW',
  'WORKING',
  'PAUSED',
  'CUTTING_OVER',
  'COMPLETE',
  'FAILED',
  'CANCELED',
  'EXPIRED',
]);
export type LiveMigrationState = Static<typeof LiveMigrationState>;

/** Linkspan's own view of a live migration. */
export const LiveMigrationDetail = Type.Object(
  {
    ...liveMigration,
    blockSourceWrites: Type.Boolean(),
    /**
     * What became of what a canceled migration had copied; null for one that was not canceled.
     * DROPPING until all of it is gone; KEPT, too, if the link-token was removed before that.
     */
    copiedData: Nullable(Type.Enum(['KEPT', 'DROPPING', 'DROPPED'])),
    /** Hostnames of other migration hosts that copy ranges of its collections now. */
    copyingHosts: Type.Array(Type.String()),
    created: Time,
    cutover: Type.Object(
      {
        /** 0 before the first cutover. */
        attempt: Type.Integer({ minimum: 0 }),
        /** Why the last attempt failed, or null. */
        failure: Nullable(Type.String()),
        underWay: Type.Boolean(),
      },
      closed,
    ),
    destination: Type.Object({ clusterName: Nullable(Type.String()), groupId: Id }, closed),
    dropDestinationData: Type.Boolean(),
    /** When its window ends and it becomes EXPIRED; null until it was first ready for cutover. */
    expires: Nullable(Time),
    failureReason: Nullable(Type.String()),
    finished: Nullable(Time),
    /** What is moved and what it is called there; three empty lists: everything, under its own name. */
    namespaces: Namespaces,
    /** Since when it is paused, or null. */
    paused: Nullable(Time),
    /**
     * As the migration host last reported it, or null before the first report. Rates, what is left and
     * what holds it back are null once the report is old, and while it is paused.
     */
    progress: Nullable(Progress),
    progressReported: Nullable(Time),
    source: Type.Object({ clusterName: Type.String(), groupId: Id }, closed),
    state: LiveMigrationState,
    throttle: Throttle,
    /** What a cutover compares. */
    verification: CutoverVerification,
    /** What is wrong or needs care, in words: of the migration host, and of the server about it. */
    warnings: Type.Array(Type.String()),
    /** What was compared until the cutover, or null: a document that changed meanwhile counts again. */
    verified: Nullable(
      Type.Object(
        {
          collections: Type.Integer({ minimum: 0 }),
          documents: Type.Integer({ minimum: 0 }),
        },
        closed,
      ),
    ),
    /** How long it may go on after it was first ready for cutover. */
    windowHours: Type.Integer({ minimum: 1 }),
  },
  closed,
);
export type LiveMigrationDetail = Static<typeof LiveMigrationDetail>;

/** What a live migration is estimated to move, need and take. */
export const Estimate = Type.Object(
  {
    collections: Type.Integer({ minimum: 0 }),
    documents: Type.Integer({ minimum: 0 }),
    /** Of documents, by the source's own bookkeeping. */
    dataBytes: Type.Integer({ minimum: 0 }),
    readBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    linkBytesPerSecond: Nullable(Type.Number({ minimum: 0 })),
    /** By the slower of both. What the destination takes to write is not in it, nor several readers. */
    copySeconds: Nullable(Type.Integer({ minimum: 0 })),
    /** LOW: from a sample that was too small to tell much, or none. */
    confidence: Type.Enum(['LOW', 'MEDIUM']),
    destinationBytesFree: Nullable(Type.Number()),
    destinationBytesNeeded: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type Estimate = Static<typeof Estimate>;

/** Linkspan's own view of a validation: the findings behind `errorMessage`. */
export const LiveMigrationValidationDetail = Type.Object(
  {
    ...validation,
    blockSourceWrites: Type.Boolean(),
    created: Time,
    /** null until it is settled, and where the source could not be looked at. */
    estimate: Nullable(Estimate),
    /** Errors first. `docs/validation.md` lists their codes. */
    findings: Type.Array(
      Type.Object(
        {
          ...Finding.properties,
          /** What to do about it. */
          action: Type.String(),
        },
        closed,
      ),
    ),
    finished: Nullable(Time),
    /** What is to be moved, as in a live migration. */
    namespaces: Namespaces,
  },
  closed,
);
export type LiveMigrationValidationDetail = Static<typeof LiveMigrationValidationDetail>;
