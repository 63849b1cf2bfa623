import Type, { type Static } from 'typebox';
import { type Link, closed, ReadOnly } from './common.ts';
import { type ApiKey, CreateOrgApiKey } from './apiKeys.ts';

export interface Organization {
  readonly id: string;
  readonly isDeleted: false;
  readonly links: readonly Link[];
  readonly name: string;
  readonly skipDefaultAlertsSettings: false;
}

/** Body of createOrg. A key belongs to one organization, so a new one comes with a key of its own. */
export const CreateOrganization = Type.Object(
  {
    name: Type.String(),
    apiKey: CreateOrgApiKey,
    skipDefaultAlertsSettings: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type CreateOrganization = Static<typeof CreateOrganization>;

export interface CreatedOrganization {
  readonly apiKey: ApiKey;
  readonly organization: Organization;
  readonly skipDefaultAlertsSettings: false;
}

/** Body of updateOrg. */
export const UpdateOrganization = Type.Object(
  { name: Type.String(), id: ReadOnly, isDeleted: ReadOnly, links: ReadOnly },
  closed,
);
export type UpdateOrganization = Static<typeof UpdateOrganization>;
