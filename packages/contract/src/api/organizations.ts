import Type, { type Static } from 'typebox';
import { ApiKey, CreateOrgApiKey } from './apiKeys.ts';
import { closed, Id, Links, Nullable, ReadOnly } from './common.ts';
import { CreateServiceAccount, ServiceAccount } from './serviceAccounts.ts';

export const Organization = Type.Object(
  {
    id: Id,
    isDeleted: Type.Boolean(),
    links: Links,
    name: Type.String(),
    skipDefaultAlertsSettings: Type.Boolean(),
  },
  closed,
);
export type Organization = Static<typeof Organization>;

/**
 * Body of createOrg. A credential belongs to one organization, so a new one comes with a credential
 * of its own: an API key, a service account or both.
 */
export const CreateOrganization = Type.Object(
  {
    name: Type.String(),
    apiKey: Type.Optional(CreateOrgApiKey),
    serviceAccount: Type.Optional(Nullable(CreateServiceAccount)),
    federationSettingsId: Type.Optional(Id),
    orgOwnerId: Type.Optional(Id),
    skipDefaultAlertsSettings: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type CreateOrganization = Static<typeof CreateOrganization>;

export const CreatedOrganization = Type.Object(
  {
    apiKey: Type.Optional(ApiKey),
    organization: Organization,
    serviceAccount: Type.Optional(ServiceAccount),
    skipDefaultAlertsSettings: Type.Boolean(),
  },
  closed,
);
export type CreatedOrganization = Static<typeof CreatedOrganization>;

/** Body of updateOrg. */
export const UpdateOrganization = Type.Object(
  {
    name: Type.String(),
    skipDefaultAlertsSettings: Type.Optional(Type.Boolean()),
    id: ReadOnly,
    isDeleted: ReadOnly,
    links: ReadOnly,
  },
  closed,
);
export type UpdateOrganization = Static<typeof UpdateOrganization>;
