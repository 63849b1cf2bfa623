/** What an event can be about. */
export type TargetKind =
  | 'organization'
  | 'project'
  | 'apiKey'
  | 'serviceAccount'
  | 'cluster'
  | 'link'
  | 'migrationHost'
  | 'validation'
  | 'liveMigration';

/**
 * The audit events, by what happened, with what they are about. The names are
 * Atlas's where its clients know one for the case, else they follow its habit.
 */
export const EVENT_TYPES = {
  ORG_CREATED: 'organization',
  ORG_RENAMED: 'organization',
  ORG_SETTINGS_UPDATED: 'organization',
  ORG_DELETED: 'organization',
  GROUP_CREATED: 'project',
  GROUP_NAME_CHANGED: 'project',
  GROUP_TAGS_CHANGED: 'project',
  GROUP_SETTINGS_UPDATED: 'project',
  GROUP_DELETED: 'project',
  API_KEY_CREATED: 'apiKey',
  API_KEY_DELETED: 'apiKey',
  API_KEY_ROLES_CHANGED: 'apiKey',
  API_KEY_ADDED_TO_GROUP: 'apiKey',
  API_KEY_REMOVED_FROM_GROUP: 'apiKey',
  API_KEY_DESCRIPTION_CHANGED: 'apiKey',
  API_KEY_ACCESS_LIST_ENTRY_ADDED: 'apiKey',
  API_KEY_ACCESS_LIST_ENTRY_DELETED: 'apiKey',
  API_KEY_SIGN_IN_FAILED: 'apiKey',
  SERVICE_ACCOUNT_CREATED: 'serviceAccount',
  SERVICE_ACCOUNT_UPDATED: 'serviceAccount',
  SERVICE_ACCOUNT_DELETED: 'serviceAccount',
  SERVICE_ACCOUNT_SECRET_ADDED: 'serviceAccount',
  SERVICE_ACCOUNT_SECRET_DELETED: 'serviceAccount',
  SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_ADDED: 'serviceAccount',
  SERVICE_ACCOUNT_ACCESS_LIST_ENTRY_DELETED: 'serviceAccount',
  SERVICE_ACCOUNT_ACCESS_TOKEN_REVOKED: 'serviceAccount',
  SERVICE_ACCOUNT_SIGN_IN_FAILED: 'serviceAccount',
  CLUSTER_CREATED: 'cluster',
  CLUSTER_UPDATE_COMPLETED: 'cluster',
  CLUSTER_CONNECTION_TESTED: 'cluster',
  CLUSTER_DELETED: 'cluster',
  CLUSTER_DECLARED_GONE: 'cluster',
  LIVE_MIGRATION_LINK_TOKEN_CREATED: 'link',
  LIVE_MIGRATION_LINK_TOKEN_DELETED: 'link',
  LIVE_MIGRATION_LINK_TOKEN_REFUSED: 'link',
  LIVE_MIGRATION_LINK_SUSPENDED: 'link',
  LIVE_MIGRATION_LINK_CONFIRMED: 'link',
  LIVE_MIGRATION_LINK_REMOVED: 'link',
  LIVE_MIGRATION_HOST_TOKEN_CREATED: 'link',
  LIVE_MIGRATION_HOST_REGISTERED: 'migrationHost',
  LIVE_MIGRATION_HOST_UNLINKED: 'migrationHost',
  LIVE_MIGRATION_HOST_REMOVED: 'migrationHost',
  LIVE_MIGRATION_HOST_SIGN_IN_FAILED: 'migrationHost',
  LIVE_MIGRATION_VALIDATION_CREATED: 'validation',
  CLUSTER_IMPORT_VALIDATION_SUCCESS: 'validation',
  CLUSTER_IMPORT_VALIDATION_FAIL: 'validation',
  LIVE_MIGRATION_CREATED: 'liveMigration',
  CLUSTER_IMPORT_STARTED: 'liveMigration',
  LIVE_MIGRATION_PAUSED: 'liveMigration',
  LIVE_MIGRATION_RESUMED: 'liveMigration',
  LIVE_MIGRATION_MOVED: 'liveMigration',
  LIVE_MIGRATION_VERIFICATION_REQUESTED: 'liveMigration',
  LIVE_MIGRATION_REPAIR_REQUESTED: 'liveMigration',
  LIVE_MIGRATION_HISTORY_LOST: 'liveMigration',
  CLUSTER_IMPORT_CANCELLED: 'liveMigration',
  LIVE_MIGRATION_COPIED_DATA_DROPPED: 'liveMigration',
  LIVE_MIGRATION_COPIED_DATA_KEPT: 'liveMigration',
  LIVE_MIGRATION_THROTTLE_CHANGED: 'liveMigration',
  LIVE_MIGRATION_WINDOW_BEGAN: 'liveMigration',
  LIVE_MIGRATION_WINDOW_CHANGED: 'liveMigration',
  LIVE_MIGRATION_WINDOW_ENDING: 'liveMigration',
  LIVE_MIGRATION_EXPIRED: 'liveMigration',
  CLUSTER_IMPORT_CUTOVER: 'liveMigration',
  LIVE_MIGRATION_CUTOVER_FAILED: 'liveMigration',
  LIVE_MIGRATION_COMPLETED: 'liveMigration',
  LIVE_MIGRATION_FAILED: 'liveMigration',
} as const satisfies Record<string, TargetKind>;

export type EventType = keyof typeof EVENT_TYPES;
