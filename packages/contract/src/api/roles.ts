/**
 * Roles of an organization, as Atlas names them. Those for billing and stream processing open nothing
 * here that membership does not: they are granted so that existing scripts work unchanged.
 */
export const ORG_ROLES = [
  'ORG_OWNER',
  'ORG_MEMBER',
  'ORG_READ_ONLY',
  'ORG_GROUP_CREATOR',
  'ORG_BILLING_ADMIN',
  'ORG_BILLING_READ_ONLY',
  'ORG_STREAM_PROCESSING_ADMIN',
] as const;
export type OrgRole = (typeof ORG_ROLES)[number];

/**
 * Roles of a project, as Atlas names them. Beside owner, access manager and reader they open nothing
 * here that reading does not: each role of a project includes reading it (documented). The
 * specification names a Project Access Manager without its word on the wire; older ones call the
 * same role GROUP_USER_ADMIN. Both are granted.
 */
export const GROUP_ROLES = [
  'GROUP_OWNER',
  'GROUP_ACCESS_MANAGER',
  'GROUP_USER_ADMIN',
  'GROUP_READ_ONLY',
  'GROUP_CLUSTER_MANAGER',
  'GROUP_REPLICA_SET_MANAGER',
  'GROUP_DATA_ACCESS_ADMIN',
  'GROUP_DATA_ACCESS_READ_WRITE',
  'GROUP_DATA_ACCESS_READ_ONLY',
  'GROUP_DATABASE_ACCESS_ADMIN',
  'GROUP_BACKUP_MANAGER',
  'GROUP_OBSERVABILITY_VIEWER',
  'GROUP_SEARCH_INDEX_EDITOR',
  'GROUP_STREAM_PROCESSING_OWNER',
] as const;
export type GroupRole = (typeof GROUP_ROLES)[number];

export function isOrgRole(name: string): name is OrgRole {
  return (ORG_ROLES as readonly string[]).includes(name);
}

export function isGroupRole(name: string): name is GroupRole {
  return (GROUP_ROLES as readonly string[]).includes(name);
}
