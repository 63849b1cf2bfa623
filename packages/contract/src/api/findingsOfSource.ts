import { type FindingEntry, entriesOf } from './findingEntry.ts';

const entry = entriesOf('source');

/** What a validation finds at the source, by its code. */
export const SOURCE_FINDINGS = {
  SOURCE_UNKNOWN: entry(
    'error',
    'The migration host does not know the source',
    'Add the deployment to agent.yaml and start the agent again.',
  ),
  SOURCE_UNREACHABLE: entry(
    'error',
    'Could not reach specified source',
    'Look whether it runs, and whether the migration host may connect to every member of it.',
  ),
  SOURCE_HOST_NOT_FOUND: entry(
    'error',
    'Could not resolve hostname',
    'Correct the connection string, or the name service of the migration host.',
  ),
  SOURCE_AUTHENTICATION_FAILED: entry(
    'error',
    'The username or password is not correct',
    'Correct them in agent.yaml, or in the request where it brings its own.',
  ),
  SOURCE_TLS_FAILED: entry(
    'error',
    'Invalid SSL options provided',
    'Correct the TLS options of the connection string, or sourceSsl and the CA file of the request.',
  ),
  SOURCE_CA_FILE_INVALID: entry(
    'error',
    'Unable to process the provided CA file',
    'The path is one of the migration host. Put a file with PEM certificates there that its user may read.',
  ),
  SOURCE_NOT_ENCRYPTED: entry(
    'warning',
    'The connection to the source is not encrypted',
    'Turn TLS on, unless the network between them is yours alone.',
  ),
  SOURCE_STANDALONE: entry(
    'error',
    'Source appears to be a standalone',
    'Make it a replica set of one member: only those have an oplog.',
  ),
  SOURCE_SHARDED: entry(
    'error',
    'Source is a sharded cluster, which is not migrated yet',
    'Migrate a replica set.',
  ),
  SOURCE_MAJORITY_NOT_JOURNALED: entry(
    'error',
    'Source acknowledges majority writes before they are on disk',
    'Set writeConcernMajorityJournalDefault to true: it may lose what was already copied.',
  ),
  SOURCE_ARBITER: entry(
    'warning',
    'Source has an arbiter',
    'While a data-bearing member is down, no majority commits, and the migration waits. Keep all of them up.',
  ),
  SOURCE_WITHOUT_STRUCTURE_EVENTS: entry(
    'warning',
    'Source does not tell of every change of structure',
    'Do not change indexes and options while it is migrated: they are only compared at the cutover. MongoDB 6.0 tells of them.',
  ),
  SOURCE_NOT_AUTHORIZED: entry(
    'error',
    'User not authorized to execute command',
    'Give the user of the source the roles readAnyDatabase and clusterMonitor.',
  ),
  CHANGE_STREAM_UNAVAILABLE: entry(
    'error',
    'A change stream over the whole source cannot be opened',
    'Source needs MongoDB 4.4 or newer with WiredTiger, and read concern majority.',
  ),
  TRANSACTIONS_NOT_TOLD: entry(
    'warning',
    'Source does not tell of open transactions',
    'Give its user the role clusterMonitor, or be sure that none is open when you cut over: one that commits later would be found only if it is seen before the last look.',
  ),
  SOURCE_CHECK_FAILED: entry(
    'warning',
    'A check of the source did not come to a result',
    'Look at the reason, and validate again.',
  ),
  TIME_SERIES_COLLECTION: entry(
    'error',
    'Source cluster contains a time series collection, which is unsupported',
    'Drop it, or move it otherwise.',
  ),
  TIME_SERIES_COMPARED: entry(
    'warning',
    'Source contains a time series collection, which sends no changes',
    'It is compared in full while the migration runs and at the cutover, which takes longer for it. The users on both sides need find, insert and remove on its collection of buckets (the resource system_buckets).',
  ),
  INDEX_UNSUPPORTED: entry(
    'error',
    'Source contains what cannot be moved exactly',
    'Drop or change it.',
  ),
  USERS_AND_ROLES_STAY: entry(
    'warning',
    'Users and roles of the source are not migrated',
    'Create them at the destination before the cutover.',
  ),
  SEARCH_INDEXES_STAY: entry(
    'warning',
    'Search indexes of the source are not migrated',
    'Create them at the destination after the copy.',
  ),
  QUERY_SETTINGS_STAY: entry(
    'warning',
    'Query settings of the source are not migrated',
    'Set them at the destination before the cutover.',
  ),
  SYSTEM_COLLECTIONS_STAY: entry(
    'warning',
    'System collections of the source are not migrated',
    'Store the functions of system.js at the destination yourself; profiles are not needed there.',
  ),
  OPLOG_WINDOW: entry(
    'information',
    'What the oplog of the source holds',
    'While the agent runs it reads the oplog as it grows, and keeps what it needs in its own journal.',
  ),
  OPLOG_WINDOW_SHORT: entry(
    'warning',
    'The oplog of the source holds less time than the copy may take',
    'Only a stop of the agent that is longer than the oplog costs something: then everything is compared again. Make the oplog larger to be safe (replSetResizeOplog).',
  ),
  OPLOG_WINDOW_NOT_TOLD: entry(
    'information',
    'Source does not tell what its oplog holds',
    'Give its user the role clusterMonitor to see it.',
  ),
  AGENT_DISK_SPACE_LOW: entry(
    'warning',
    'The state directory of the agent has little space left',
    'Free some: the journal of the migration needs about 200 bytes for each document that changes while it waits.',
  ),
  SOURCE_CLOCK_DIFFERS: entry(
    'warning',
    'The clocks of the source and the migration host differ',
    'Let both follow a time server. The lag does not depend on it; the times in logs do.',
  ),
  WRITE_BLOCK_NOT_ALLOWED: entry(
    'error',
    'The migration host does not allow that the cutover blocks writes',
    'Set allowWriteBlock: true for the deployment in agent.yaml, or validate without blockSourceWrites.',
  ),
  WRITE_BLOCK_UNAVAILABLE: entry(
    'error',
    'Source cannot block writes, which takes MongoDB 6.0',
    "Stop the application's writes yourself, without blockSourceWrites.",
  ),
  WRITE_BLOCK_NOT_AUTHORIZED: entry(
    'error',
    'User does not have the required permissions for blocking writes during cutover',
    'Give the user in agent.yaml the privilege setUserWriteBlockMode on the cluster.',
  ),
  WRITE_BLOCK_EFFECTS: entry(
    'warning',
    'The cutover blocks all writes to the source',
    'It aborts builds of indexes there, does not bind users with bypassWriteBlockingMode, and stays after COMPLETE until "linkspan agent unblock".',
  ),
  NAMESPACES_COLLIDE: entry(
    'error',
    'Several namespaces would have one name at the destination',
    'Rename one of them elsewhere, or exclude it.',
  ),
  DATABASES_DIFFER_BY_CASE: entry(
    'error',
    'The destination would have databases that differ by case only, of which a server has one',
    'Rename one of them elsewhere, or exclude it.',
  ),
  DESTINATION_NAME_REFUSED: entry(
    'error',
    'A namespace would have a name at the destination that no server takes',
    'Rename it to something else, or exclude it.',
  ),
  VIEW_ACROSS_DATABASES: entry(
    'error',
    'A view and what it reads would be in two databases',
    'Rename both into one database, or exclude the view.',
  ),
  VIEW_WITHOUT_ITS_COLLECTION: entry(
    'warning',
    'A view reads what is not moved, and will find nothing there',
    'Include what it reads, or exclude the view.',
  ),
  PATTERN_MATCHES_NOTHING: entry(
    'warning',
    'A pattern or rename means nothing that the source holds now',
    'Correct it, unless that is still to come.',
  ),
} as const satisfies Record<string, FindingEntry>;
