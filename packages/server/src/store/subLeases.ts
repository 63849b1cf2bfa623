import type { Executor } from './executor.ts';
import type { LiveMigrationRow, SubLeaseRow } from './schema.ts';
import type { StoreDialect } from './dialects/dialect.ts';
import { ACTIVE } from './liveMigrations.ts';

/** Before the host is told of it, so that whoever removes the host finds it. */
export async function insert(ex: Executor, row: SubLeaseRow): Promise<void> {
  await ex.insertInto('sub_leases').values(row).execute();
}

/** Each write that was sent through it was answered, and none will be sent. */
export async function remove(ex: Executor, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await ex.deleteFrom('sub_leases').where('id', 'in', ids).execute();
}

/** The sessions through which a host may have writes under way that are another host's. */
export async function listSessionsOf(
  ex: Executor,
  hostId: string,
): Promise<{ readonly id: string; readonly cluster_id: string }[]> {
  return ex
    .selectFrom('sub_leases as l')
    .innerJoin('push_sessions as s', 's.id', 'l.session_id')
    .select(['s.id', 's.cluster_id'])
    .distinct()
    .where('l.host_id', '=', hostId)
    .where('s.state', '=', 'OPEN')
    .execute();
}

/** The hostnames of those that copy ranges of other hosts' migrations of a project now, by migration. */
export async function hostnamesByMigration(
  ex: Executor,
  projectId: string,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await ex
    .selectFrom('sub_leases as l')
    .innerJoin('push_sessions as s', 's.id', 'l.session_id')
    .innerJoin('live_migrations as m', 'm.id', 's.migration_id')
    .innerJoin('migration_hosts as h', 'h.id', 'l.host_id')
    .select(['m.id', 'h.hostname'])
    .distinct()
    .where('m.project_id', '=', projectId)
    .where('s.state', '=', 'OPEN')
    .orderBy('h.hostname')
    .execute();
  const found = new Map<string, string[]>();
  for (const { id, hostname } of rows) found.set(id, [...(found.get(id) ?? []), hostname]);
  return found;
}

/** A push session whose ranges may be copied by other hosts, with its migration. */
export interface Offering {
  readonly sessionId: string;
  readonly migration: LiveMigrationRow;
}

/** Those of these links that are held by a node now. */
export async function listOffering(
  ex: Executor,
  dialect: StoreDialect,
  linkIds: readonly string[],
): Promise<Offering[]> {
  const rows = await ex
    .selectFrom('push_sessions as s')
    .innerJoin('live_migrations as m', 'm.id', 's.migration_id')
    .selectAll('m')
    .select('s.id as session_id')
    .where('s.link_id', 'in', linkIds)
    .where('s.state', '=', 'OPEN')
    .where('s.offers_ranges', '=', 1)
    .where('s.lease_until', '>', dialect.clock())
    .whereRef('m.epoch', '=', 's.epoch')
    .where('m.status', 'in', ACTIVE)
    .where('m.paused_at', 'is', null)
    .orderBy('s.id')
    .execute();
  return rows.map(({ session_id: sessionId, ...migration }) => ({ sessionId, migration }));
}

/** Whether ranges of the session's migration are offered to other hosts. */
export async function setOffers(ex: Executor, sessionId: string, offers: boolean): Promise<void> {
  await ex
    .updateTable('push_sessions')
    .set({ offers_ranges: offers ? 1 : 0 })
    .where('id', '=', sessionId)
    .execute();
}
