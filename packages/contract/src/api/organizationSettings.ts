import Type, { type Static } from 'typebox';
import { closed, Nullable } from './common.ts';
import { MAX_SECRET_HOURS, MIN_SECRET_HOURS } from './serviceAccounts.ts';

const Seconds = Type.Integer({ minimum: 0, maximum: 2 ** 31 - 1 });
const Contact = Type.String({ maxLength: 320 });

const settings = {
  /** True: a credential without an access list is refused. */
  apiAccessListRequired: Type.Boolean(),
  genAIFeaturesEnabled: Type.Boolean(),
  /** The longest life of a service account's secret, in hours. */
  maxServiceAccountSecretValidityInHours: Type.Integer({
    minimum: MIN_SECRET_HOURS,
    maximum: MAX_SECRET_HOURS,
  }),
  multiFactorAuthRequired: Type.Boolean(),
  operationsContact: Nullable(Contact),
  restrictEmployeeAccess: Type.Boolean(),
  streamsCrossGroupEnabled: Type.Boolean(),
};

const mayBeAbsent = {
  customSessionTimeouts: Type.Optional(
    Type.Object(
      {
        absoluteSessionTimeoutInSeconds: Type.Optional(Seconds),
        idleSessionTimeoutInSeconds: Type.Optional(Seconds),
      },
      closed,
    ),
  ),
  securityContact: Type.Optional(Contact),
};

/** Every setting; those that nobody changed have their defaults. */
export const OrganizationSettings = Type.Object({ ...settings, ...mayBeAbsent }, closed);
export type OrganizationSettings = Static<typeof OrganizationSettings>;

/** Body of updateOrgSettings: the settings to change. */
export const UpdateOrganizationSettings = Type.Object(
  { ...Type.Partial(Type.Object(settings)).properties, ...mayBeAbsent },
  closed,
);
export type UpdateOrganizationSettings = Static<typeof UpdateOrganizationSettings>;
