import Type, { type Static } from 'typebox';
import type { Finding, Progress } from '../push/messages.ts';
import { closed, Id, ReadOnly } from './common.ts';

const Nullable = Type.Union([Type.String(), Type.Null()]);

const Source = Type.Object(
  {
    clusterName: Type.String({ minLength: 1 }),
    groupId: Id,
    managedAuthentication: Type.Boolean(),
    ssl: Type.Boolean(),
    caCertificatePath: Type.Optional(Nullable),
    username: Type.Optional(Nullable),
    password: Type.Optional(Nullable),
  },
  closed,
);

const Destination = Type.Object(
  {
    clusterName: Type.String({ minLength: 1 }),
    groupId: Id,
    /** Absent means PUBLIC; the registered connection string decides in any case. */
    hostnameSchemaType: Type.Optional(Type.Enum(['PUBLIC', 'PRIVATE_LINK', 'VPC_PEERING'])),
    privateLinkId: Type.Optional(Nullable),
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

/** Attributes for which clients send an empty string when they do not use them. */
export const EMPTY_MEANS_ABSENT: readonly (readonly [string, string])[] = [
  ['destination', 'hostnameSchemaType'],
  ['destination', 'privateLinkId'],
  ['source', 'caCertificatePath'],
  ['source', 'password'],
  ['source', 'username'],
];

export interface LiveMigration {
  readonly _id: string;
  /** Seconds; null before the first report. */
  readonly lagTimeSeconds: number | null;
  readonly migrationHosts: readonly string[];
  readonly readyForCutover: boolean;
  readonly status: 'NEW' | 'WORKING' | 'FAILED' | 'COMPLETE' | 'EXPIRED';
}

export interface LiveMigrationValidation {
  readonly _id: string;
  readonly errorMessage: string | null;
  readonly groupId: string;
  readonly sourceGroupId: string;
  readonly status: 'PENDING' | 'SUCCESS' | 'FAILED';
}

/** Linkspan's own view of a live migration. */
export interface LiveMigrationDetail extends LiveMigration {
  readonly created: string;
  readonly cutover: {
    /** 0 before the first cutover. */
    readonly attempt: number;
    /** Why the last attempt failed, or null. */
    readonly failure: string | null;
    readonly underWay: boolean;
  };
  readonly destination: { readonly clusterName: string | null; readonly groupId: string };
  readonly dropDestinationData: boolean;
  readonly failureReason: string | null;
  readonly finished: string | null;
  /** As the migration host last reported it, or null before the first report. */
  readonly progress: Progress | null;
  readonly progressReported: string | null;
  readonly source: { readonly clusterName: string; readonly groupId: string };
  /** What the cutover verified, or null. */
  readonly verified: { readonly collections: number; readonly documents: number } | null;
}

/** Linkspan's own view of a validation: the findings behind `errorMessage`. */
export interface LiveMigrationValidationDetail extends LiveMigrationValidation {
  readonly created: string;
  readonly findings: readonly Finding[];
  readonly finished: string | null;
}
