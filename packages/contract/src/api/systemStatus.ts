import Type, { type Static } from 'typebox';
import { RoleAssignment } from './apiKeys.ts';
import { closed, Id, Links, Nullable } from './common.ts';

/** What the API is, and with which key it was asked. */
export const SystemStatus = Type.Object(
  {
    /** null where a service account asks. */
    apiKey: Nullable(
      Type.Object(
        {
          accessList: Type.Array(
            Type.Object({ cidrBlock: Type.String(), ipAddress: Nullable(Type.String()) }, closed),
          ),
          id: Id,
          publicKey: Type.String({ minLength: 8, maxLength: 8 }),
          roles: Type.Array(RoleAssignment),
        },
        closed,
      ),
    ),
    /** Clients ask for it to see that they talk to Atlas's API. */
    appName: Type.Literal('MongoDB Atlas'),
    /** The version of Linkspan. */
    build: Type.String(),
    links: Links,
    throttling: Type.Boolean(),
  },
  closed,
);
export type SystemStatus = Static<typeof SystemStatus>;
