import { finding } from '@linkspan/contract/api/findings.ts';
import type { Document } from 'mongodb';

import type { Check } from './check.ts';

/** What pushing needs. Source: MongoDB manual, "Privilege actions". */
const ACTIONS = [
  'find',
  'insert',
  'update',
  'remove',
  'createCollection',
  'createIndex',
  'dropIndex',
  'dropCollection',
  'collMod',
  'listCollections',
  'listIndexes',
  'bypassDocumentValidation',
];

/**
 * Nothing is written to find it out: whether a user may write is read from its privileges, which a
 * server tells to everyone about themselves.
 */
export const checkPrivileges: Check = async ({ destination }) => {
  const status = await destination.client
    .db('admin')
    .command({ connectionStatus: 1, showPrivileges: true });
  const users = status['authInfo']?.authenticatedUsers ?? [];
  const privileges = (status['authInfo']?.authenticatedUserPrivileges ?? []) as Document[];
  // No user: the server asks for none. A user without privileges: the server does not tell them.
  if (users.length === 0 || privileges.length === 0) return [];
  const granted = new Set(
    privileges
      .filter(({ resource }) => resource?.anyResource === true || isAnyDatabase(resource))
      .flatMap(({ actions }) => actions as string[]),
  );
  const missing = ACTIONS.filter((action) => !granted.has(action) && !granted.has('anyAction'));
  if (missing.length === 0) return [];
  return [
    finding(
      'DESTINATION_PRIVILEGES_UNCERTAIN',
      `the user of destination cluster ${destination.cluster} does not have ${missing.join(', ')} on all databases. It needs them on every database that is migrated.`,
    ),
  ];
};

function isAnyDatabase(resource: Document | undefined): boolean {
  return resource?.['db'] === '' && resource['collection'] === '';
}
