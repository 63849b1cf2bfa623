import type { Executor } from './executor.ts';
import type { Sealer } from './sealing.ts';
import type { ClusterRow } from './schema.ts';

/** The identity that a cluster's connection string is sealed with. */
export function uriIdentity(id: string): string {
  return `clusters.uri/${id}`;
}

/** The connection string of the destination cluster, credentials included. */
export function openUri(sealer: Sealer, row: ClusterRow): string {
  return sealer.open(uriIdentity(row.id), row.uri_sealed);
}

/**
 * The same as it is now, for what waits until the cluster can be asked: its password may be changed meanwhile.
 * @throws {Error} if the cluster is not registered any more
 */
export async function currentUri(ex: Executor, sealer: Sealer, id: string): Promise<string> {
  const row = await find(ex, id);
  if (row === undefined) throw new Error('the cluster is not registered any more');
  return openUri(sealer, row);
}

export async function insert(ex: Executor, row: ClusterRow): Promise<void> {
  await ex.insertInto('clusters').values(row).execute();
}

/** By id alone: only for ids that come from a row of the store, never from a request (rule C9). */
export async function find(ex: Executor, id: string): Promise<ClusterRow | undefined> {
  return ex.selectFrom('clusters').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function findByName(
  ex: Executor,
  projectId: string,
  name: string,
): Promise<ClusterRow | undefined> {
  return ex
    .selectFrom('clusters')
    .selectAll()
    .where('project_id', '=', projectId)
    .where('name', '=', name)
    .executeTakeFirst();
}

export async function listByProject(ex: Executor, projectId: string): Promise<ClusterRow[]> {
  return ex
    .selectFrom('clusters')
    .selectAll()
    .where('project_id', '=', projectId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export async function setUri(
  ex: Executor,
  id: string,
  change: Pick<ClusterRow, 'uri_sealed' | 'facts'>,
): Promise<void> {
  await ex.updateTable('clusters').set(change).where('id', '=', id).execute();
}

/** What a cluster has said of itself. */
export interface ClusterFacts {
  readonly mongoDBVersion: string;
  readonly topology: string;
  /** Whether it refuses writes of push sessions that have a successor, by their numbers (rule D14). */
  readonly fence: 'ENFORCED' | 'NOT_ENFORCED';
}

/** What it said when it was last connected to; nothing before that. */
export function factsOf(row: ClusterRow): Partial<ClusterFacts> {
  return JSON.parse(row.facts ?? '{}') as Partial<ClusterFacts>;
}

/** Keeps what was last found, unless the connection string has changed meanwhile. */
export async function keepFacts(
  ex: Executor,
  asked: ClusterRow,
  { mongoDBVersion, topology, fence }: ClusterFacts,
): Promise<void> {
  const facts = JSON.stringify({ mongoDBVersion, topology, fence });
  await ex
    .updateTable('clusters')
    .set({ facts })
    .where('id', '=', asked.id)
    .where('uri_sealed', '=', asked.uri_sealed)
    .execute();
}

export async function remove(ex: Executor, id: string): Promise<void> {
  await ex.deleteFrom('clusters').where('id', '=', id).execute();
}
