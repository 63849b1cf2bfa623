import type { Finding } from '../push/messages.ts';

/** What a code of a finding stands for; each finding adds to `text` what it was found on. */
export interface FindingEntry {
  /**
   * error: a live migration cannot be made, or cannot succeed. warning: it can, and something will be
   * different or may go wrong. information: good to know.
   */
  readonly severity: Finding['severity'];
  readonly side: 'source' | 'destination';
  /** What its message begins with. Atlas's own words where it has some. */
  readonly text: string;
  /** What to do about it. */
  readonly action: string;
}

const entry = (
  severity: Finding['severity'],
  side: FindingEntry['side'],
  text: string,
  action: string,
): FindingEntry => ({ severity, side, text, action });

/** Every finding of a validation by its code, which never changes. `docs/validation.md` is made of it. */
export const FINDINGS = {
  SOURCE_UNKNOWN: entry(
    'error',
    'source',
    'The migration host does not know the source',
    'Add the deployment to agent.yaml and start the agent again.',
  ),
  SOURCE_UNREACHABLE: entry(
    'error',
    'source',
    'Could not reach specified source',
    'Look whether it runs, and whether the migration host may connect to every member of it.',
  ),
  SOURCE_HOST_NOT_FOUND: entry(
    'error',
    'source',
    'Could not resolve hostname',
    'Correct the connection string, or the name service of the migration host.',
  ),
  SOURCE_AUTHENTICATION_FAILED: entry(
    'error',
    'source',
    'The username or password is not correct',
    'Correct them in agent.yaml, or in the request where it brings its own.',
  ),
  SOURCE_TLS_FAILED: entry(
    'error',
    'source',
    'Invalid SSL options provided',
    'Correct the TLS options of the connection string, or sourceSsl and the CA file of the request.',
  ),
  SOURCE_CA_FILE_INVALID: entry(
    'error',
    'source',
    'Unable to process the provided CA file',
    'The path is one of the migration host. Put a file with PEM certificates there that its user may read.',
  ),
  SOURCE_NOT_ENCRYPTED: entry(
    'warning',
    'source',
    'The connection to the source is not encrypted',
    'Turn TLS on, unless the network between them is yours alone.',
  ),
  SOURCE_STANDALONE: entry(
    'error',
    'source',
    'Source appears to be a standalone',
    'Make it a replica set of one member: only those have an oplog.',
  ),
  SOURCE_SHARDED: entry(
    'error',
    'source',
    'Source is a sharded cluster, which is not migrated yet',
    'Migrate a replica set.',
  ),
  SOURCE_MAJORITY_NOT_JOURNALED: entry(
    'error',
    'source',
    'Source acknowledges majority writes before they are on disk',
    'Set writeConcernMajorityJournalDefault to true: it may lose what was already copied.',
  ),
  SOURCE_ARBITER: entry(
    'warning',
    'source',
    'Source has an arbiter',
    'While a data-bearing member is down, no majority commits, and the migration waits. Keep all of them up.',
  ),
  SOURCE_WITHOUT_STRUCTURE_EVENTS: entry(
    'warning',
    'source',
    'Source does not tell of every change of structure',
    'Do not change indexes and options while it is migrated: they are only compared at the cutover. MongoDB 6.0 tells of them.',
  ),
  SOURCE_NOT_AUTHORIZED: entry(
    'error',
    'source',
    'User not authorized to execute command',
    'Give the user of the source the roles readAnyDatabase and clusterMonitor.',
  ),
  CHANGE_STREAM_UNAVAILABLE: entry(
    'error',
    'source',
    'A change stream over the whole source cannot be opened',
    'Source needs MongoDB 4.0 or newer with WiredTiger, and read concern majority.',
  ),
  TRANSACTIONS_NOT_TOLD: entry(
    'warning',
    'source',
    'Source does not tell of open transactions',
    'Give its user the role clusterMonitor, or be sure that none is open when you cut over: one that commits later would be found only if it is seen before the last look.',
  ),
  SOURCE_CHECK_FAILED: entry(
    'warning',
    'source',
    'A check of the source did not come to a result',
    'Look at the reason, and validate again.',
  ),
  TIME_SERIES_COLLECTION: entry(
    'error',
    'source',
    'Source cluster contains a time series collection, which is unsupported',
    'Drop it, or move it otherwise.',
  ),
  TIME_SERIES_COMPARED: entry(
    'warning',
    'source',
    'Source contains a time series collection, which sends no changes',
    'It is compared in full while the migration runs and at the cutover, which takes longer for it. The users on both sides need find, insert and remove on its collection of buckets (the resource system_buckets).',
  ),
  INDEX_UNSUPPORTED: entry(
    'error',
    'source',
    'Source contains what cannot be moved exactly',
    'Drop or change it.',
  ),
  USERS_AND_ROLES_STAY: entry(
    'warning',
    'source',
    'Users and roles of the source are not migrated',
    'Create them at the destination before the cutover.',
  ),
  SEARCH_INDEXES_STAY: entry(
    'warning',
    'source',
    'Search indexes of the source are not migrated',
    'Create them at the destination after the copy.',
  ),
  QUERY_SETTINGS_STAY: entry(
    'warning',
    'source',
    'Query settings of the source are not migrated',
    'Set them at the destination before the cutover.',
  ),
  SYSTEM_COLLECTIONS_STAY: entry(
    'warning',
    'source',
    'System collections of the source are not migrated',
    'Store the functions of system.js at the destination yourself; profiles are not needed there.',
  ),
  OPLOG_WINDOW: entry(
    'information',
    'source',
    'What the oplog of the source holds',
    'While the agent runs it reads the oplog as it grows, and keeps what it needs in its own journal.',
  ),
  OPLOG_WINDOW_SHORT: entry(
    'warning',
    'source',
    'The oplog of the source holds less time than the copy may take',
    'Only a stop of the agent that is longer than the oplog costs something: then everything is compared again. Make the oplog larger to be safe (replSetResizeOplog).',
  ),
  OPLOG_WINDOW_NOT_TOLD: entry(
    'information',
    'source',
    'Source does not tell what its oplog holds',
    'Give its user the role clusterMonitor to see it.',
  ),
  AGENT_DISK_SPACE_LOW: entry(
    'warning',
    'source',
    'The state directory of the agent has little space left',
    'Free some: the journal of the migration needs about 200 bytes for each document that changes while it waits.',
  ),
  SOURCE_CLOCK_DIFFERS: entry(
    'warning',
    'source',
    'The clocks of the source and the migration host differ',
    'Let both follow a time server. The lag does not depend on it; the times in logs do.',
  ),
  WRITE_BLOCK_NOT_ALLOWED: entry(
    'error',
    'source',
    'The migration host does not allow that the cutover blocks writes',
    'Set allowWriteBlock: true for the deployment in agent.yaml, or validate without blockSourceWrites.',
  ),
  WRITE_BLOCK_UNAVAILABLE: entry(
    'error',
    'source',
    'Source cannot block writes, which takes MongoDB 6.0',
    "Stop the application's writes yourself, without blockSourceWrites.",
  ),
  WRITE_BLOCK_NOT_AUTHORIZED: entry(
    'error',
    'source',
    'User does not have the required permissions for blocking writes during cutover',
    'Give the user in agent.yaml the privilege setUserWriteBlockMode on the cluster.',
  ),
  WRITE_BLOCK_EFFECTS: entry(
    'warning',
    'source',
    'The cutover blocks all writes to the source',
    'It aborts builds of indexes there, does not bind users with bypassWriteBlockingMode, and stays after COMPLETE until "linkspan agent unblock".',
  ),
  DESTINATION_GONE: entry(
    'error',
    'destination',
    'The destination cluster is not registered any more',
    'Register it again and validate again.',
  ),
  DESTINATION_HOST_NOT_FOUND: entry(
    'error',
    'destination',
    'Could not resolve hostname of the destination',
    'Correct its connection string.',
  ),
  DESTINATION_CONNECTION_REFUSED: entry(
    'error',
    'destination',
    'The destination refuses connections',
    'Look whether it runs at that port.',
  ),
  DESTINATION_TIMED_OUT: entry(
    'error',
    'destination',
    'The destination does not answer in time',
    'Look whether the server may connect to every member of it.',
  ),
  DESTINATION_TLS_FAILED: entry(
    'error',
    'destination',
    'The destination cannot be reached with TLS',
    'Correct the TLS options of its connection string, or the certificates that the server trusts.',
  ),
  DESTINATION_AUTHENTICATION_FAILED: entry(
    'error',
    'destination',
    'The username or password of the destination is not correct',
    'Register the cluster with the right ones.',
  ),
  DESTINATION_STANDALONE: entry(
    'error',
    'destination',
    'The destination is a standalone',
    'Make it a replica set of one member.',
  ),
  DESTINATION_UNREACHABLE: entry(
    'error',
    'destination',
    'The destination cannot be used',
    'Look at the reason.',
  ),
  DESTINATION_CHECK_FAILED: entry(
    'error',
    'destination',
    'The destination did not answer the checks',
    'Look at the reason, and validate again.',
  ),
  DESTINATION_IS_SOURCE: entry(
    'error',
    'destination',
    'The destination is the source itself',
    'Choose another destination cluster.',
  ),
  DESTINATION_OLDER: entry(
    'error',
    'destination',
    'The destination has an older version than the source',
    'Upgrade it, or raise its feature compatibility version.',
  ),
  DESTINATION_NEWER: entry(
    'information',
    'destination',
    'The destination has a newer version than the source',
    'Test your application and its drivers with that version.',
  ),
  DESTINATION_ARBITER: entry(
    'warning',
    'destination',
    'The destination has an arbiter',
    'Every write waits for a majority on disk: keep all data-bearing members up.',
  ),
  DESTINATION_FENCE_NOT_ENFORCED: entry(
    'information',
    'destination',
    'The destination does not order the writes of push sessions',
    'Nothing, unless a removal of the link-token has to be proven while a server node stands still: it waits until the connections of that node are gone.',
  ),
  DESTINATION_PRIVILEGES_UNCERTAIN: entry(
    'warning',
    'destination',
    'User not authorized to execute command',
    'Give the user of the destination readWriteAnyDatabase, dbAdminAnyDatabase and clusterMonitor.',
  ),
  DESTINATION_NAMESPACES_NOT_EMPTY: entry(
    'error',
    'destination',
    'The destination already holds collections of these names',
    'Drop or rename them there, or set dropDestinationData.',
  ),
  DESTINATION_DATA_DROPPED: entry(
    'warning',
    'destination',
    'What the destination holds will be dropped',
    'Be sure that nobody needs it, or do without dropDestinationData.',
  ),
  DESTINATION_DISK_SPACE_LOW: entry(
    'error',
    'destination',
    'Available disk space on the destination needs to be increased',
    'Make its disks larger.',
  ),
  DESTINATION_DISK_SPACE_NOT_TOLD: entry(
    'warning',
    'destination',
    'Disk storage info unavailable',
    'Compare the size of the source with the free space of the destination yourself.',
  ),
  DESTINATION_CLOCK_DIFFERS: entry(
    'warning',
    'destination',
    'The clocks of source and destination differ',
    'Let both follow a time server: TTL indexes expire documents by the clock of the cluster that they are on.',
  ),
  NAMESPACES_COLLIDE: entry(
    'error',
    'source',
    'Several namespaces would have one name at the destination',
    'Rename one of them elsewhere, or exclude it.',
  ),
  DATABASES_DIFFER_BY_CASE: entry(
    'error',
    'source',
    'The destination would have databases that differ by case only, of which a server has one',
    'Rename one of them elsewhere, or exclude it.',
  ),
  DESTINATION_NAME_REFUSED: entry(
    'error',
    'source',
    'A namespace would have a name at the destination that no server takes',
    'Rename it to something else, or exclude it.',
  ),
  VIEW_ACROSS_DATABASES: entry(
    'error',
    'source',
    'A view and what it reads would be in two databases',
    'Rename both into one database, or exclude the view.',
  ),
  VIEW_WITHOUT_ITS_COLLECTION: entry(
    'warning',
    'source',
    'A view reads what is not moved, and will find nothing there',
    'Include what it reads, or exclude the view.',
  ),
  PATTERN_MATCHES_NOTHING: entry(
    'warning',
    'source',
    'A pattern or rename means nothing that the source holds now',
    'Correct it, unless that is still to come.',
  ),
} as const satisfies Record<string, FindingEntry>;

export type FindingCode = keyof typeof FINDINGS;

const LONGEST = 2000;

/**
 * A finding of that code.
 * @param detail what it was found on, in words, after the text of the code; no secrets
 */
export function finding(code: FindingCode, detail?: string): Finding {
  const { severity, text } = FINDINGS[code];
  const message = detail === undefined ? `${text}.` : `${text}: ${detail}`;
  return { code, severity, message: message.slice(0, LONGEST) };
}

/** What to do about a finding; empty for a code of another version. */
export function actionOf(code: string): string {
  return Object.hasOwn(FINDINGS, code) ? FINDINGS[code as FindingCode].action : '';
}

/** The table of `docs/validation.md`, for one side. */
export function describeFindings(side: FindingEntry['side']): string {
  const rows = Object.entries(FINDINGS)
    .filter(([, found]) => found.side === side)
    .map(
      ([code, { severity, text, action }]) => `| \`${code}\` | ${severity} | ${text} | ${action} |`,
    );
  return [
    '| Code | Severity | What was found | What to do |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}
