import Type, { type Static } from 'typebox';
import { Deployment } from '../push/host.ts';
import { closed, Id, Nullable, Time } from './common.ts';

/** Body of createOrgLiveMigrationLinkToken: addresses and CIDR blocks that hosts may come from. */
export const CreateLinkToken = Type.Object(
  { accessListIps: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) },
  closed,
);
export type CreateLinkToken = Static<typeof CreateLinkToken>;

export const LinkToken = Type.Object({ linkToken: Type.String() }, closed);
export type LinkToken = Static<typeof LinkToken>;

/** A project of the source side, as a migration host reports it. */
export const AvailableProject = Type.Object(
  {
    deployments: Type.Array(Deployment),
    migrationHosts: Type.Array(Type.String()),
    name: Type.String(),
    projectId: Id,
  },
  closed,
);
export type AvailableProject = Static<typeof AvailableProject>;

/**
 * - `NONE`: there is no link.
 * - `PENDING`: a link-token was made, no migration host has presented it.
 * - `NOT_SYNCED`: a host has registered and has not said yet what it can read, or every host was
 *   unlinked from the source side.
 * - `LINKED`: a host was heard of lately.
 * - `STALE`: no host was heard of for a while.
 * - `SUSPENDED`: the server's state was restored from a backup; an owner has to confirm the link.
 * - `REMOVING`: the link-token was removed; writes under way are being waited for.
 */
export const OrganizationLinkState = Type.Enum([
  'NONE',
  'PENDING',
  'NOT_SYNCED',
  'LINKED',
  'STALE',
  'SUSPENDED',
  'REMOVING',
]);
export type OrganizationLinkState = Static<typeof OrganizationLinkState>;

/** Linkspan's own resource: the organization link, and what removing it would stop. */
export const OrganizationLink = Type.Object(
  {
    impact: Type.Object(
      {
        liveMigrations: Type.Array(
          Type.Object({ groupId: Id, id: Id, status: Type.String() }, closed),
        ),
        projects: Type.Array(Type.Object({ id: Id, name: Type.String() }, closed)),
      },
      closed,
    ),
    linkTokenExpires: Nullable(Time),
    migrationHosts: Type.Array(
      Type.Object(
        {
          agentVersion: Type.String(),
          hostname: Type.String(),
          id: Id,
          lastHeartbeat: Time,
          /** How many live migrations that have not ended it runs. */
          liveMigrations: Type.Integer({ minimum: 0 }),
          /** When the source side unlinked it, or null. */
          unlinked: Nullable(Time),
        },
        closed,
      ),
    ),
    state: OrganizationLinkState,
  },
  closed,
);
export type OrganizationLink = Static<typeof OrganizationLink>;
