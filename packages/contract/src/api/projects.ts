import Type, { type Static } from 'typebox';
import { closed, Id, Links, ReadOnly, Time } from './common.ts';

const TagText = Type.String({ minLength: 1, maxLength: 255 });
export const Tag = Type.Object({ key: TagText, value: TagText }, closed);
export type Tag = Static<typeof Tag>;

const REGION_USES = ['COMMERCIAL_FEDRAMP_REGIONS_ONLY', 'GOV_REGIONS_ONLY'] as const;

const Tags = Type.Array(Tag, { maxItems: 50 });

export const Project = Type.Object(
  {
    clusterCount: Type.Integer({ minimum: 0 }),
    created: Time,
    id: Id,
    links: Links,
    name: Type.String(),
    orgId: Id,
    /** As it was given; it has no effect. */
    regionUsageRestrictions: Type.Optional(Type.Enum([...REGION_USES])),
    /** An empty list where there are none; left out in the answer to the creation (recorded). */
    tags: Type.Optional(Tags),
    withDefaultAlertsSettings: Type.Boolean(),
  },
  closed,
);
export type Project = Static<typeof Project>;

/** Body of createGroup. Clients send the read-only fields of a project with it. */
export const CreateProject = Type.Object(
  {
    name: Type.String(),
    orgId: Id,
    withDefaultAlertsSettings: Type.Optional(Type.Boolean()),
    /** Not used: there are no regions. NONE comes from clients made for v1.0. */
    regionUsageRestrictions: Type.Optional(Type.Enum([...REGION_USES, 'NONE'])),
    tags: Type.Optional(Tags),
    clusterCount: ReadOnly,
    created: ReadOnly,
    id: ReadOnly,
    links: ReadOnly,
  },
  closed,
);
export type CreateProject = Static<typeof CreateProject>;

/** Body of updateGroup. */
export const UpdateProject = Type.Object(
  {
    name: Type.Optional(Type.String()),
    tags: Type.Optional(Tags),
    withDefaultAlertsSettings: Type.Optional(Type.Boolean()),
  },
  closed,
);
export type UpdateProject = Static<typeof UpdateProject>;
