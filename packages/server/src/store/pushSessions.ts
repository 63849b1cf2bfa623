import { type Selectable } from 'kysely';
import type { StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';
import { ACTIVE } from './liveMigrations.ts';
import type { LinkState, LiveMigrationRow, PushSessionRow, Schema } from './schema.ts';

/** A session with whose it is. */
export type LeasedSession = Selectable<Schema['push_sessions']>;

/** Whose a new session is, and for how long from now. */
export interface NewLease {
  readonly dialect: StoreDialect;
  readonly nodeId: string;
  readonly termMs: number;
  /** The migration host that pushes through it; absent: the server itself does. */
  readonly hostId?: string;
}

/** @param lease absent: nobody holds it */
export async function insert(ex: Executor, row: PushSessionRow, lease?: NewLease): Promise<void> {
  const held =
    lease === undefined
      ? {}
      : {
          node_id: lease.nodeId,
          lease_until: lease.dialect.clock(lease.termMs),
          host_id: lease.hostId ?? null,
        };
  await ex
    .insertInto('push_sessions')
    .values({ ...row, ...held })
    .execute();
}

export async function find(ex: Executor, id: string): Promise<LeasedSession | undefined> {
  return ex.selectFrom('push_sessions').selectAll().where('id', '=', id).executeTakeFirst();
}

/** False once it is proven that nothing of the session is under way. */
export async function isOpen(ex: Executor, id: string): Promise<boolean> {
  return (await find(ex, id))?.state === 'OPEN';
}

/** Sessions that may have writes under way, of one link, host, migration or cluster; all without one. */
export async function listOpen(
  ex: Executor,
  of: Partial<Pick<LeasedSession, 'link_id' | 'host_id' | 'migration_id' | 'cluster_id'>> = {},
): Promise<LeasedSession[]> {
  let query = ex.selectFrom('push_sessions').selectAll().where('state', '=', 'OPEN');
  if (of.link_id !== undefined) query = query.where('link_id', '=', of.link_id);
  if (of.host_id !== undefined) query = query.where('host_id', '=', of.host_id);
  if (of.migration_id !== undefined) query = query.where('migration_id', '=', of.migration_id);
  if (of.cluster_id !== undefined) query = query.where('cluster_id', '=', of.cluster_id);
  return query.orderBy('opened_at').orderBy('id').execute();
}

/** Migrations that have ended, of which sessions may have writes under way. */
export async function listEndedMigrations(ex: Executor): Promise<string[]> {
  const rows = await ex
    .selectFrom('push_sessions as s')
    .innerJoin('live_migrations as m', 'm.id', 's.migration_id')
    .select('m.id')
    .distinct()
    .where('s.state', '=', 'OPEN')
    .where('m.status', 'not in', ACTIVE)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * Each write the session sent is known to be answered, or to be gone.
 * @returns false if it was settled already
 */
export async function settle(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .updateTable('push_sessions')
    .set({ state: 'SETTLED' })
    .where('id', '=', id)
    .where('state', '=', 'OPEN')
    .executeTakeFirst();
  await ex.deleteFrom('sub_leases').where('session_id', '=', id).execute();
  return result.numUpdatedRows > 0n;
}

/** All that decides whether a session may go on, as it is in the store now. */
export interface Standing {
  readonly id: string;
  readonly epoch: number;
  readonly linkId: string;
  /** null once the link is gone. */
  readonly linkState: LinkState | null;
  readonly linkSuspendedAt: string | null;
  readonly hostUnlinkedAt: string | null;
  readonly status: LiveMigrationRow['status'];
  readonly pausedAt: string | null;
  readonly copiedData: LiveMigrationRow['copied_data'];
  readonly newestEpoch: number;
}

/** The sessions that a node holds a lease of. */
export async function listHeld(
  ex: Executor,
  dialect: StoreDialect,
  nodeId: string,
): Promise<Standing[]> {
  return ex
    .selectFrom('push_sessions as s')
    .innerJoin('live_migrations as m', 'm.id', 's.migration_id')
    .leftJoin('links as l', 'l.id', 's.link_id')
    .leftJoin('migration_hosts as h', 'h.id', 'm.host_id')
    .select([
      's.id',
      's.epoch',
      's.link_id as linkId',
      'l.state as linkState',
      'l.suspended_at as linkSuspendedAt',
      'h.unlinked_at as hostUnlinkedAt',
      'm.status',
      'm.paused_at as pausedAt',
      'm.copied_data as copiedData',
      'm.epoch as newestEpoch',
    ])
    .where('s.node_id', '=', nodeId)
    .where('s.state', '=', 'OPEN')
    .where('s.lease_until', '>', dialect.clock())
    .execute();
}

/** Of those that the node still holds, each lease is good for `termMs` from now. */
export async function renew(
  ex: Executor,
  dialect: StoreDialect,
  { nodeId, ids, termMs }: { nodeId: string; ids: readonly string[]; termMs: number },
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await ex
    .updateTable('push_sessions')
    .set({ lease_until: dialect.clock(termMs) })
    .where('id', 'in', ids)
    .where('node_id', '=', nodeId)
    .where('state', '=', 'OPEN')
    .where('lease_until', '>', dialect.clock())
    .returning('id')
    .execute();
  return rows.map(({ id }) => id);
}

/** Whether somebody may write through a session. */
export type Holding = 'HELD' | 'LEFT' | 'SETTLED';

/**
 * HELD: a node may write through it. LEFT: no node may from now on, whatever the clocks do, and what it
 * sent may be under way. SETTLED: nothing is.
 */
export async function endLease(
  ex: Executor,
  dialect: StoreDialect,
  id: string,
): Promise<{ readonly holding: Holding; readonly session: LeasedSession | undefined }> {
  await ex
    .updateTable('push_sessions')
    .set({ lease_until: '' })
    .where('id', '=', id)
    .where('lease_until', '<=', dialect.clock())
    .execute();
  const session = await find(ex, id);
  if (session?.state !== 'OPEN') return { holding: 'SETTLED', session };
  return { holding: session.lease_until === '' ? 'LEFT' : 'HELD', session };
}

/** For a store that only one node can use: having it shows that no other one runs. */
export async function endLeasesOfOthers(ex: Executor, nodeId: string): Promise<void> {
  await ex
    .updateTable('push_sessions')
    .set({ lease_until: '' })
    .where('node_id', '!=', nodeId)
    .where('state', '=', 'OPEN')
    .execute();
}

/** The node that may write through a session, with where it is reached; undefined if none may. */
export async function findHolder(
  ex: Executor,
  dialect: StoreDialect,
  id: string,
): Promise<{ readonly nodeId: string; readonly url: string | null } | undefined> {
  return ex
    .selectFrom('push_sessions as s')
    .leftJoin('nodes as n', 'n.id', 's.node_id')
    .select(['s.node_id as nodeId', 'n.url'])
    .where('s.id', '=', id)
    .where('s.state', '=', 'OPEN')
    .where('s.lease_until', '>', dialect.clock())
    .executeTakeFirst();
}

/** Before its first write: each of documents will carry a number (rule D14). */
export async function setFenced(ex: Executor, id: string): Promise<void> {
  await ex.updateTable('push_sessions').set({ is_fenced: 1 }).where('id', '=', id).execute();
}

/**
 * Before a command that changes structure is sent (rule C2).
 * @returns false if no node may write through the session any more
 */
export async function beginStructure(
  ex: Executor,
  dialect: StoreDialect,
  id: string,
): Promise<boolean> {
  const result = await ex
    .updateTable('push_sessions')
    .set({ structure_under_way: 1 })
    .where('id', '=', id)
    .where('state', '=', 'OPEN')
    .where('lease_until', '>', dialect.clock())
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/** Once every such command is answered. */
export async function endStructure(ex: Executor, id: string): Promise<void> {
  await ex
    .updateTable('push_sessions')
    .set({ structure_under_way: 0 })
    .where('id', '=', id)
    .execute();
}
