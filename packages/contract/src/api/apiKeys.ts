import Type, { type Static } from 'typebox';
import { closed, Id, Links, Time } from './common.ts';
import { GROUP_ROLES, ORG_ROLES } from './roles.ts';

/** The most characters of a description, as specified. */
export const MAX_DESCRIPTION = 250;

export const RoleAssignment = Type.Union([
  Type.Object({ orgId: Id, roleName: Type.String() }, closed),
  Type.Object({ groupId: Id, roleName: Type.String() }, closed),
]);
export type RoleAssignment = Static<typeof RoleAssignment>;

export const ApiKey = Type.Object(
  {
    desc: Type.String(),
    id: Id,
    links: Links,
    /** Whole in the answer to its creation, later `********-****-****-<last 12>`. */
    privateKey: Type.String(),
    publicKey: Type.String({ minLength: 8, maxLength: 8 }),
    roles: Type.Array(RoleAssignment),
  },
  closed,
);
export type ApiKey = Static<typeof ApiKey>;

const Description = Type.String({ minLength: 1, maxLength: MAX_DESCRIPTION });

/** A role of a project is known, and refused as what it is: INVALID_ROLE_FOR_ORG. */
const OrgRoleName = Type.Enum([...ORG_ROLES, ...GROUP_ROLES]);

/** Body of createOrgApiKey. */
export const CreateOrgApiKey = Type.Object(
  { desc: Description, roles: Type.Array(OrgRoleName, { minItems: 1 }) },
  closed,
);
export type CreateOrgApiKey = Static<typeof CreateOrgApiKey>;

/** Body of updateOrgApiKey. */
export const UpdateOrgApiKey = Type.Object(
  { desc: Type.Optional(Description), roles: Type.Optional(Type.Array(OrgRoleName)) },
  closed,
);
export type UpdateOrgApiKey = Static<typeof UpdateOrgApiKey>;

/** Body of createGroupApiKey. */
export const CreateGroupApiKey = Type.Object(
  { desc: Description, roles: Type.Array(Type.String(), { minItems: 1 }) },
  closed,
);
export type CreateGroupApiKey = Static<typeof CreateGroupApiKey>;

/** Body of addGroupApiKey: the roles of all of its objects are given. */
export const AddApiKeyToGroup = Type.Array(
  Type.Object(
    { roles: Type.Optional(Type.Array(Type.String())), userId: Type.Optional(Id) },
    closed,
  ),
  { minItems: 1 },
);
export type AddApiKeyToGroup = Static<typeof AddApiKeyToGroup>;

/** Body of updateGroupApiKeyRoles. */
export const UpdateGroupApiKey = Type.Object(
  { desc: Type.Optional(Description), roles: Type.Optional(Type.Array(Type.String())) },
  closed,
);
export type UpdateGroupApiKey = Static<typeof UpdateGroupApiKey>;

/** Body of createOrgApiKeyAccessListEntry. */
export const AddAccessListEntries = Type.Array(
  Type.Object(
    { cidrBlock: Type.Optional(Type.String()), ipAddress: Type.Optional(Type.String()) },
    closed,
  ),
);
export type AddAccessListEntries = Static<typeof AddAccessListEntries>;

export const AccessListEntry = Type.Object(
  {
    cidrBlock: Type.String(),
    count: Type.Integer({ minimum: 0 }),
    created: Time,
    /** Where the block is one address. */
    ipAddress: Type.Optional(Type.String()),
    lastUsed: Type.Optional(Time),
    lastUsedAddress: Type.Optional(Type.String()),
    links: Links,
  },
  closed,
);
export type AccessListEntry = Static<typeof AccessListEntry>;
