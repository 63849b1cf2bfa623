import Type, { type Static } from 'typebox';
import type { Deployment } from '../push/messages.ts';
import { closed } from './common.ts';

/** Body of createOrgLiveMigrationLinkToken: addresses and CIDR blocks that hosts may come from. */
export const CreateLinkToken = Type.Object(
  { accessListIps: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])) },
  closed,
);
export type CreateLinkToken = Static<typeof CreateLinkToken>;

export interface LinkToken {
  readonly linkToken: string;
}

/** A project of the source side, as a migration host reports it. */
export interface AvailableProject {
  readonly deployments: readonly Deployment[];
  readonly migrationHosts: readonly string[];
  readonly name: string;
  readonly projectId: string;
}

/**
 * - `NONE`: there is no link.
 * - `PENDING`: a link-token was made, no migration host has presented it.
 * - `NOT_SYNCED`: a host has registered and has not said yet what it can read.
 * - `LINKED`: a host was heard of lately.
 * - `STALE`: no host was heard of for a while.
 * - `REMOVING`: the link-token was removed; writes under way are being waited for.
 */
export type OrganizationLinkState =
  | 'NONE'
  | 'PENDING'
  | 'NOT_SYNCED'
  | 'LINKED'
  | 'STALE'
  | 'REMOVING';

/** Linkspan's own resource: the organization link, and what removing it would stop. */
export interface OrganizationLink {
  readonly impact: {
    readonly liveMigrations: readonly {
      readonly groupId: string;
      readonly id: string;
      readonly status: string;
    }[];
    readonly projects: readonly { readonly id: string; readonly name: string }[];
  };
  readonly linkTokenExpires: string | null;
  readonly migrationHosts: readonly {
    readonly agentVersion: string;
    readonly hostname: string;
    readonly id: string;
    readonly lastHeartbeat: string;
  }[];
  readonly state: OrganizationLinkState;
}
