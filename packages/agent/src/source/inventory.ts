import type { Deployment } from '@linkspan/contract/push/host.ts';
import { connectSource } from './connection.ts';
import { describeSource } from './identity.ts';

const MEBIBYTE = 1024 * 1024;

/**
 * Describes a deployment for the list of available projects.
 * @throws {SourceUnreachableError} naming host and reason
 */
export async function describeDeployment(name: string, uri: string): Promise<Deployment> {
  await using source = await connectSource(uri);
  const facts = await describeSource(source);
  const admin = source.client.db('admin');
  const sizes = await admin.command({ listDatabases: 1 }).catch(() => null);
  const oplog = await source.client
    .db('local')
    .command({ collStats: 'oplog.rs' })
    .catch(() => null);
  const options = source.client.options;
  return {
    name,
    mongoDBVersion: facts.mongoDBVersion,
    featureCompatibilityVersion: facts.featureCompatibilityVersion,
    managed: true,
    sharded: facts.topology === 'sharded',
    tlsEnabled: options.tls === true,
    ...(sizes && { dbSizeBytes: Number(sizes['totalSize'] ?? 0) }),
    ...(oplog?.['maxSize'] !== undefined && {
      oplogSizeMB: Math.round(Number(oplog['maxSize']) / MEBIBYTE),
    }),
  };
}
