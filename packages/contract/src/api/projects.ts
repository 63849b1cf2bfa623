import Type, { type Static } from 'typebox';
import { closed, Id, type Link, ReadOnly } from './common.ts';

export interface Project {
  readonly clusterCount: number;
  readonly created: string;
  readonly id: string;
  readonly links: readonly Link[];
  readonly name: string;
  readonly orgId: string;
  readonly withDefaultAlertsSettings: true;
}

/** Body of createGroup. Clients send the read-only fields of a project with it. */
export const CreateProject = Type.Object(
  {
    name: Type.String(),
    orgId: Id,
    withDefaultAlertsSettings: Type.Optional(Type.Boolean()),
    regionUsageRestrictions: Type.Optional(
      Type.Enum(['COMMERCIAL_FEDRAMP_REGIONS_ONLY', 'GOV_REGIONS_ONLY']),
    ),
    tags: Type.Optional(Type.Array(Type.Unknown())),
    clusterCount: ReadOnly,
    created: ReadOnly,
    id: ReadOnly,
    links: ReadOnly,
  },
  closed,
);
export type CreateProject = Static<typeof CreateProject>;
