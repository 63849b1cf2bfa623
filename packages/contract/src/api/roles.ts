/** Roles of an organization that Linkspan grants, as Atlas names them. */
export const ORG_ROLES = ['ORG_OWNER', 'ORG_MEMBER', 'ORG_READ_ONLY', 'ORG_GROUP_CREATOR'] as const;
export type OrgRole = (typeof ORG_ROLES)[number];

/** Roles of an organization that Atlas has and Linkspan has no use for: refused by name. */
export const UNSUPPORTED_ORG_ROLES = [
  'ORG_BILLING_ADMIN',
  'ORG_BILLING_READ_ONLY',
  'ORG_STREAM_PROCESSING_ADMIN',
] as const;

/** Roles of a project that Linkspan grants, as Atlas names them. */
export const GROUP_ROLES = ['GROUP_OWNER', 'GROUP_READ_ONLY'] as const;
export type GroupRole = (typeof GROUP_ROLES)[number];

export function isOrgRole(name: string): name is OrgRole {
  return (ORG_ROLES as readonly string[]).includes(name);
}

export function isGroupRole(name: string): name is GroupRole {
  return (GROUP_ROLES as readonly string[]).includes(name);
}
