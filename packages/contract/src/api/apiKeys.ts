import Type, { type Static } from 'typebox';
import { closed, type Link } from './common.ts';
import { ORG_ROLES, UNSUPPORTED_ORG_ROLES } from './roles.ts';

/** The most characters of a description, as specified. */
export const MAX_DESCRIPTION = 250;

export type ApiKeyRole =
  | { readonly orgId: string; readonly roleName: string }
  | { readonly groupId: string; readonly roleName: string };

export interface ApiKey {
  readonly desc: string;
  readonly id: string;
  readonly links: readonly Link[];
  /** Whole in the answer to its creation, later `********-****-****-<last 12>`. */
  readonly privateKey: string;
  readonly publicKey: string;
  readonly roles: readonly ApiKeyRole[];
}

const Description = Type.String({ minLength: 1, maxLength: MAX_DESCRIPTION });
const OrgRoleName = Type.Enum([...ORG_ROLES, ...UNSUPPORTED_ORG_ROLES]);

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

export interface AccessListEntry {
  readonly cidrBlock: string;
  readonly count: number;
  readonly created: string;
  readonly ipAddress?: string;
  readonly links: readonly Link[];
}
