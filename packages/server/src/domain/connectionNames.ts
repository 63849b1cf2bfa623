import { randomBytes } from 'node:crypto';

/**
 * What the names of all connections begin with over which a migration is written, from every server node.
 * It is itself a name: no other migration's begins so.
 */
export function connectionPrefix(migrationId: string): string {
  return `linkspan-${migrationId}-`;
}

/** A name for the connections of one push session, its `appName` at the destination (rule D14). */
export function newConnectionName(migrationId: string): string {
  return connectionPrefix(migrationId) + randomBytes(12).toString('hex');
}
