import { finding } from '@linkspan/contract/api/findings.ts';
import type { Document } from 'mongodb';

import type { Check } from './check.ts';

/** What pushing needs. Source: MongoDB manual, "Privilege actions". */
const ON_DATABASES = [
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
  'renameCollectionSameDB',
];

/** What shows which writes of an earlier process are under way (rule C2). */
const ON_CLUSTER = ['inprog'];

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
  const missing = missingActions(privileges);
  if (missing.length === 0) return [];
  return [
    finding(
      'DESTINATION_PRIVILEGES_UNCERTAIN',
      `the user of destination cluster ${destination.cluster} does not have ${missing.join(', ')} on all databases or on the cluster. It needs them on the cluster and on every database that is migrated.`,
    ),
  ];
};

/** Of what pushing needs, what privileges on all databases and on the cluster do not grant. */
export function missingActions(privileges: readonly Document[]): string[] {
  const granted = (isMeant: (resource: Document | undefined) => boolean): Set<string> =>
    new Set(
      privileges
        .filter(({ resource }) => resource?.anyResource === true || isMeant(resource))
        .flatMap(({ actions }) => actions as string[]),
    );
  const lacks = (actions: Set<string>) => (action: string) =>
    !actions.has(action) && !actions.has('anyAction');
  return [
    ...ON_DATABASES.filter(lacks(granted(isAnyDatabase))),
    ...ON_CLUSTER.filter(lacks(granted((resource) => resource?.['cluster'] === true))),
  ];
}

function isAnyDatabase(resource: Document | undefined): boolean {
  return resource?.['db'] === '' && resource['collection'] === '';
}
