import Type, { type Static } from 'typebox';
import { closed, Id, Nullable, ReadOnly, Time } from './common.ts';
import { ORG_ROLES } from './roles.ts';

/** The shortest and longest life of a secret, in hours, as documented. */
export const MIN_SECRET_HOURS = 8;
export const MAX_SECRET_HOURS = 8760;

/** The most entries that a request may add to an access list, as specified. */
const MAX_ADDED_ENTRIES = 200;

/** A client id, as specified. */
export const ClientId = Type.String({ pattern: '^mdb_sa_id_[a-fA-F\\d]{24}$' });

const TEXT = "^[\\p{L}\\p{N}\\-_.,' ]*$";
const Name = Type.String({ pattern: TEXT, minLength: 1, maxLength: 64 });
const Description = Type.String({ pattern: TEXT, minLength: 1, maxLength: 250 });
const Roles = Type.Array(Type.Enum([...ORG_ROLES]), { minItems: 1 });
const Hours = Type.Integer({ exclusiveMinimum: 0, maximum: 2 ** 31 - 1 });

export const ServiceAccountSecret = Type.Object(
  {
    createdAt: Time,
    expiresAt: Time,
    id: Id,
    lastUsedAt: Type.Optional(Nullable(Time)),
    maskedSecretValue: Type.Optional(Type.String()),
    /** Whole, in the answer to its creation alone. */
    secret: Type.Optional(Type.String()),
  },
  closed,
);
export type ServiceAccountSecret = Static<typeof ServiceAccountSecret>;

export const ServiceAccount = Type.Object(
  {
    clientId: ClientId,
    createdAt: Time,
    description: Type.String(),
    name: Type.String(),
    roles: Type.Array(Type.Enum([...ORG_ROLES])),
    secrets: Type.Array(ServiceAccountSecret),
  },
  closed,
);
export type ServiceAccount = Static<typeof ServiceAccount>;

/** Body of createOrgServiceAccount. */
export const CreateServiceAccount = Type.Object(
  { description: Description, name: Name, roles: Roles, secretExpiresAfterHours: Hours },
  closed,
);
export type CreateServiceAccount = Static<typeof CreateServiceAccount>;

/** Body of updateOrgServiceAccount. */
export const UpdateServiceAccount = Type.Object(
  {
    description: Type.Optional(Nullable(Description)),
    name: Type.Optional(Nullable(Name)),
    roles: Type.Optional(Roles),
  },
  closed,
);
export type UpdateServiceAccount = Static<typeof UpdateServiceAccount>;

/** Body of createOrgServiceAccountSecret. */
export const CreateServiceAccountSecret = Type.Object({ secretExpiresAfterHours: Hours }, closed);
export type CreateServiceAccountSecret = Static<typeof CreateServiceAccountSecret>;

/** A project that an account has roles in. */
export const ServiceAccountGroup = Type.Object(
  { groupId: Id, roles: Type.Array(Type.String()) },
  closed,
);
export type ServiceAccountGroup = Static<typeof ServiceAccountGroup>;

export const ServiceAccountAccessListEntry = Type.Object(
  {
    cidrBlock: Type.String(),
    createdAt: Time,
    /** Where the block is one address. */
    ipAddress: Type.Optional(Type.String()),
    lastUsedAddress: Type.Optional(Type.String()),
    lastUsedAt: Type.Optional(Time),
    requestCount: Type.Integer({ minimum: 0 }),
  },
  closed,
);
export type ServiceAccountAccessListEntry = Static<typeof ServiceAccountAccessListEntry>;

/** Body of createOrgServiceAccountAccessList. What only answers have may be sent back; it is not read. */
export const AddServiceAccountAccessListEntries = Type.Array(
  Type.Object(
    {
      cidrBlock: Type.Optional(Nullable(Type.String())),
      createdAt: ReadOnly,
      ipAddress: Type.Optional(Nullable(Type.String())),
      lastUsedAddress: ReadOnly,
      lastUsedAt: ReadOnly,
      requestCount: ReadOnly,
    },
    closed,
  ),
  { maxItems: MAX_ADDED_ENTRIES },
);
export type AddServiceAccountAccessListEntries = Static<typeof AddServiceAccountAccessListEntries>;
