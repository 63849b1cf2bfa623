/**
 * Where real answers and the published schema disagree, the real ones are right. Each entry changes
 * one keyword of one schema; there is no general exception.
 */
export const DEVIATIONS: readonly {
  readonly schema: string;
  /** Below the schema; the last part is replaced. */
  readonly at: readonly string[];
  readonly value: unknown;
  readonly why: string;
}[] = [
  {
    schema: 'AtlasOrganization',
    at: ['properties', 'name', 'pattern'],
    value: "^[\\p{L}\\p{N} \\-_.(),:&@+']{1,64}$",
    why: 'recorded: "Atlas CLI E2E", with spaces, which the pattern does not have',
  },
  {
    schema: 'Group',
    at: ['properties', 'name', 'pattern'],
    value: "^[\\p{L}\\p{N} \\-_.(),:&@+']{1,64}$",
    why: 'recorded: "Atlas CLI E2E", with spaces, which the pattern does not have',
  },
  {
    schema: 'UserAccessListResponse',
    at: ['properties', 'count', 'minimum'],
    value: 0,
    why: 'recorded: an entry that was never used has the count 0, and the least allowed is 1',
  },
  {
    schema: 'ApiError',
    at: ['properties', 'parameters'],
    value: { type: 'array', items: { type: 'string' }, nullable: true },
    why: 'recorded: parameters are texts, not objects, and null where there is no link to remove',
  },
];

/**
 * Fields that real events have and the schemas here, which hold what all kinds of events have in
 * common, do not: of events about API keys, and about resources such as live migrations.
 */
const OF_KINDS = ['resourceId', 'resourceType', 'targetPublicKey', 'whitelistEntry'] as const;

/** Fields of the whole resource that the bounded schemas leave out, by schema. */
export const FURTHER_FIELDS: Readonly<Record<string, readonly string[]>> = {
  EventViewForOrg: OF_KINDS,
  // A cluster's name is recorded, in its project's events.
  EventViewForNdsGroup: [...OF_KINDS, 'clusterName'],
};
