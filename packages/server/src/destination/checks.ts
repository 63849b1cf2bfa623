import type { Finding } from '@linkspan/contract/push/messages.ts';
import {
  formatNamespace,
  namespaceKey,
  type Namespace,
} from '@linkspan/contract/push/namespaces.ts';
import type { Document } from 'mongodb';

import type { ConnectionTest } from '../domain/ports.ts';
import { isEmpty } from './catalog.ts';
import type { AddressCheck } from './connect.ts';
import { Destination } from './destination.ts';
import { reasonOf } from './errors.ts';
import { listUserData } from './prepare.ts';
import { testConnection } from './probe.ts';

/** Names in one finding; the rest is counted. */
const NAMED = 10;
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

export interface DestinationChecks {
  readonly cluster: string;
  readonly uri: string;
  readonly mayConnect: AddressCheck;
  /** What would be written. */
  readonly namespaces: readonly Namespace[];
  readonly dropDestinationData: boolean;
}

/** What a validation learns of the destination. */
export interface DestinationCheck {
  readonly findings: readonly Finding[];
  /** What the cluster is, or why it could not be asked. */
  readonly test: ConnectionTest;
}

/**
 * What a validation finds at the destination: reachable, logged in, a replica set or sharded
 * cluster, writable by this user, and no collection in the way. Nothing is written: whether a user
 * may write is read from its privileges, which a server tells to everyone about themselves.
 */
export async function checkDestination(
  checks: DestinationChecks,
  signal: AbortSignal,
): Promise<DestinationCheck> {
  const { cluster, uri, mayConnect } = checks;
  const test = await testConnection(uri, mayConnect, signal);
  if (!test.ok) {
    const text = `Destination cluster ${cluster}: ${test.message}.`;
    return { findings: [error(`DESTINATION_${test.code}`, text)], test };
  }
  const destination = new Destination({
    cluster,
    uri,
    mayConnect,
    connectionName: 'linkspan-validation',
    guard: () => Promise.reject(new Error('a validation writes nothing')),
  });
  const cut = (): void => void destination.close();
  signal.addEventListener('abort', cut, { once: true });
  try {
    const findings = [
      ...(await findMissingPrivileges(destination)),
      ...(await findCollisions(destination, checks)),
    ];
    return { findings, test };
  } catch (reason) {
    const why = signal.aborted ? 'no answer in time' : reasonOf(reason);
    const text = `Destination cluster ${cluster}: ${why}.`;
    return { findings: [error('DESTINATION_CHECK_FAILED', text)], test };
  } finally {
    signal.removeEventListener('abort', cut);
    await destination.close();
  }
}

async function findMissingPrivileges(destination: Destination): Promise<Finding[]> {
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
    {
      code: 'DESTINATION_PRIVILEGES_UNCERTAIN',
      severity: 'warning',
      message: `User not authorized to execute command: the user of destination cluster ${destination.cluster} does not have ${missing.join(', ')} on all databases. It needs them on every database that is migrated.`,
    },
  ];
}

function isAnyDatabase(resource: Document | undefined): boolean {
  return resource?.['db'] === '' && resource['collection'] === '';
}

async function findCollisions(
  destination: Destination,
  { namespaces, dropDestinationData }: DestinationChecks,
): Promise<Finding[]> {
  if (dropDestinationData) return [];
  const wanted = new Set(namespaces.map(namespaceKey));
  const colliding: string[] = [];
  for (const { type, ...namespace } of await listUserData(destination)) {
    if (!wanted.has(namespaceKey(namespace))) continue;
    if (type === 'collection' && (await isEmpty(destination, namespace))) continue;
    colliding.push(formatNamespace(namespace));
  }
  if (colliding.length === 0) return [];
  const named = colliding.slice(0, NAMED).join(', ');
  const rest = colliding.length > NAMED ? ` and ${colliding.length - NAMED} more` : '';
  return [
    error(
      'DESTINATION_NAMESPACES_NOT_EMPTY',
      `Destination cluster ${destination.cluster} already holds ${named}${rest}: drop or rename them there, or set dropDestinationData.`,
    ),
  ];
}

function error(code: string, message: string): Finding {
  return { code, severity: 'error', message: message.slice(0, 2000) };
}
