import { type FindingEntry, entriesOf } from './findingEntry.ts';

const entry = entriesOf('destination');

/** What a validation finds at the destination, by its code. */
export const DESTINATION_FINDINGS = {
  DESTINATION_GONE: entry(
    'error',
    'The destination cluster is not registered any more',
    'Register it again and validate again.',
  ),
  DESTINATION_HOST_NOT_FOUND: entry(
    'error',
    'Could not resolve hostname of the destination',
    'Correct its connection string.',
  ),
  DESTINATION_CONNECTION_REFUSED: entry(
    'error',
    'The destination refuses connections',
    'Look whether it runs at that port.',
  ),
  DESTINATION_TIMED_OUT: entry(
    'error',
    'The destination does not answer in time',
    'Look whether the server may connect to every member of it.',
  ),
  DESTINATION_TLS_FAILED: entry(
    'error',
    'The destination cannot be reached with TLS',
    'Correct the TLS options of its connection string, or the certificates that the server trusts.',
  ),
  DESTINATION_AUTHENTICATION_FAILED: entry(
    'error',
    'The username or password of the destination is not correct',
    'Register the cluster with the right ones.',
  ),
  DESTINATION_STANDALONE: entry(
    'error',
    'The destination is a standalone',
    'Make it a replica set of one member.',
  ),
  DESTINATION_UNREACHABLE: entry('error', 'The destination cannot be used', 'Look at the reason.'),
  DESTINATION_CHECK_FAILED: entry(
    'error',
    'The destination did not answer the checks',
    'Look at the reason, and validate again.',
  ),
  DESTINATION_IS_SOURCE: entry(
    'error',
    'The destination is the source itself',
    'Choose another destination cluster.',
  ),
  DESTINATION_OLDER: entry(
    'error',
    'The destination has an older version than the source',
    'Upgrade it, or raise its feature compatibility version.',
  ),
  DESTINATION_NEWER: entry(
    'information',
    'The destination has a newer version than the source',
    'Test your application and its drivers with that version.',
  ),
  DESTINATION_ARBITER: entry(
    'warning',
    'The destination has an arbiter',
    'Every write waits for a majority on disk: keep all data-bearing members up.',
  ),
  DESTINATION_FENCE_NOT_ENFORCED: entry(
    'information',
    'The destination does not order the writes of push sessions',
    'Nothing, unless a removal of the link-token has to be proven while a server node stands still: it waits until the connections of that node are gone.',
  ),
  DESTINATION_PRIVILEGES_UNCERTAIN: entry(
    'warning',
    'User not authorized to execute command',
    'Give the user of the destination readWriteAnyDatabase, dbAdminAnyDatabase and clusterMonitor.',
  ),
  DESTINATION_NAMESPACES_NOT_EMPTY: entry(
    'error',
    'The destination already holds collections of these names',
    'Drop or rename them there, or set dropDestinationData, which drops everything that the cluster holds.',
  ),
  DESTINATION_DATA_DROPPED: entry(
    'warning',
    'What the destination holds will be dropped',
    'Be sure that nobody needs it, or do without dropDestinationData.',
  ),
  DESTINATION_DISK_SPACE_LOW: entry(
    'error',
    'Available disk space on the destination needs to be increased',
    'Make its disks larger.',
  ),
  DESTINATION_DISK_SPACE_NOT_TOLD: entry(
    'warning',
    'Disk storage info unavailable',
    'Compare the size of the source with the free space of the destination yourself.',
  ),
  DESTINATION_CLOCK_DIFFERS: entry(
    'warning',
    'The clocks of source and destination differ',
    'Let both follow a time server: TTL indexes expire documents by the clock of the cluster that they are on.',
  ),
  DESTINATION_TEXT_INDEX_REFUSED: entry(
    'error',
    'The destination does not take a text index',
    'Drop it at the source, or choose a destination that has them. The cutover would fail on it.',
  ),
  DESTINATION_HASHED_INDEX_REFUSED: entry(
    'error',
    'The destination does not take a hashed index',
    'Drop it at the source, or choose a destination that has them. The cutover would fail on it.',
  ),
  DESTINATION_GEO_INDEX_REFUSED: entry(
    'error',
    'The destination does not take a geospatial index',
    'Build it anew at the source in a version that the destination has (2dsphereIndexVersion), or drop it.',
  ),
  DESTINATION_WILDCARD_INDEX_REFUSED: entry(
    'error',
    'The destination does not take a wildcard index',
    'Drop it at the source, or choose a destination that has them: compound ones take MongoDB 7.0.',
  ),
  DESTINATION_COLUMNSTORE_INDEX_REFUSED: entry(
    'error',
    'The destination does not take a columnstore index',
    'Drop it at the source: it was a preview, and is not moved.',
  ),
  DESTINATION_INDEX_COLLATION_REFUSED: entry(
    'error',
    'The destination does not take the collation of an index',
    'Drop the index at the source, or choose a destination that knows its locale.',
  ),
  DESTINATION_PARTIAL_INDEX_REFUSED: entry(
    'error',
    'The destination does not take the filter of a partial index',
    'Write its partialFilterExpression with what the destination knows, or drop it at the source.',
  ),
  DESTINATION_INDEX_REFUSED: entry(
    'error',
    'The destination does not take an index as it is',
    'Drop it at the source, or choose a destination that takes it. The cutover would fail on it.',
  ),
  DESTINATION_COLLATION_REFUSED: entry(
    'error',
    'The destination does not take the collation of a collection',
    'Exclude the collection, or choose a destination that knows its locale.',
  ),
  DESTINATION_CLUSTERED_COLLECTION_REFUSED: entry(
    'error',
    'The destination does not take a clustered collection',
    'Exclude it, or choose a destination that has them: they take MongoDB 5.3.',
  ),
  DESTINATION_TIME_SERIES_REFUSED: entry(
    'error',
    'The destination does not take a time series collection as the source keeps it',
    'Exclude it, or choose a destination that takes its options and keeps its buckets alike.',
  ),
  DESTINATION_PRE_AND_POST_IMAGES_REFUSED: entry(
    'error',
    'The destination does not take pre- and post-images',
    'Turn changeStreamPreAndPostImages off at the source, or choose a destination that has them: they take MongoDB 6.0.',
  ),
  DESTINATION_VALIDATOR_REFUSED: entry(
    'error',
    'The destination does not take the validator of a collection',
    'Write it with what the destination knows, or take it away at the source.',
  ),
  DESTINATION_CAPPED_COLLECTION_REFUSED: entry(
    'error',
    'The destination does not take a capped collection',
    'Exclude it, or choose a destination that has them.',
  ),
  DESTINATION_ENCRYPTED_FIELDS_REFUSED: entry(
    'error',
    'A collection with encryptedFields is not moved',
    'Exclude it, and move it with a client that has its keys: a server does not let its metadata be written.',
  ),
  DESTINATION_OPTION_REFUSED: entry(
    'error',
    'The destination does not take an option of a collection',
    'Exclude the collection, or choose a destination that takes it.',
  ),
  DESTINATION_VIEW_REFUSED: entry(
    'error',
    'The destination does not take a view',
    'Write its pipeline with what the destination knows, or exclude it.',
  ),
  DESTINATION_STRUCTURE_NOT_TRIED: entry(
    'warning',
    'Not every kind of option and index could be tried at the destination',
    'Look at the reason. What the destination does not take fails the migration or its cutover, with its reason.',
  ),
} as const satisfies Record<string, FindingEntry>;
