import type { ObjectId } from 'mongodb';
import type { SourceConnection } from './connection.ts';

/** What the engine must know of a source before it reads it. */
export interface SourceFacts {
  /**
   * Names the deployment across restarts and elections: a resume token is good for no other. The
   * replica set's id where the user may read it, else its name alone.
   */
  readonly identity: string;
  readonly topology: 'replicaSet' | 'sharded' | 'standalone';
  readonly mongoDBVersion: string;
  readonly featureCompatibilityVersion: string;
  /** Hex, where the user may read it. */
  readonly replicaSetId: string | null;
  /** Hex: of the server process that answered; another process never has it. */
  readonly processId: string | null;
  /** False if a majority write may be acknowledged before it is on disk (rule D24). */
  readonly majorityJournaled: boolean;
}

/** @throws the driver's errors */
export async function describeSource(source: SourceConnection): Promise<SourceFacts> {
  const admin = source.client.db('admin');
  const hello = await admin.command({ hello: 1 });
  const build = await admin.command({ buildInfo: 1 });
  const setName: unknown = hello['setName'];
  const topology =
    hello['msg'] === 'isdbgrid'
      ? 'sharded'
      : typeof setName === 'string'
        ? 'replicaSet'
        : 'standalone';
  const config = await admin.command({ replSetGetConfig: 1 }).catch(() => null);
  const replicaSetId = config?.['config']?.['settings']?.['replicaSetId'] as ObjectId | undefined;
  const name = typeof setName === 'string' ? setName : '';
  const processId = hello['topologyVersion']?.['processId'] as ObjectId | undefined;
  return {
    identity: `${topology}:${name}:${replicaSetId?.toHexString() ?? ''}`,
    topology,
    mongoDBVersion: String(build['version']),
    featureCompatibilityVersion: await featureCompatibilityOf(source, String(build['version'])),
    replicaSetId: replicaSetId?.toHexString() ?? null,
    processId: processId?.toHexString() ?? null,
    majorityJournaled: config?.['config']?.['writeConcernMajorityJournalDefault'] !== false,
  };
}

/** As the source says, else as its version has it. */
async function featureCompatibilityOf(source: SourceConnection, version: string): Promise<string> {
  const told = await source.client
    .db('admin')
    .command({ getParameter: 1, featureCompatibilityVersion: 1 })
    .catch(() => null);
  const inferred = version.split('.').slice(0, 2).join('.');
  return String(told?.['featureCompatibilityVersion']?.['version'] ?? inferred);
}

/** True if both were read from one deployment; an id that only one of them knows does not count. */
export function isSameSource(a: string, b: string): boolean {
  const [topologyA, nameA, idA] = a.split(':');
  const [topologyB, nameB, idB] = b.split(':');
  if (topologyA !== topologyB || nameA !== nameB) return false;
  return idA === idB || idA === '' || idB === '';
}
