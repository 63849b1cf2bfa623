import type { Executor } from './executor.ts';
import type { LinkRow, LinkState } from './schema.ts';

export async function insert(ex: Executor, row: LinkRow): Promise<void> {
  await ex.insertInto('links').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<LinkRow | undefined> {
  return ex.selectFrom('links').selectAll().where('id', '=', id).executeTakeFirst();
}

/** The state of each of these links that is there. */
export async function states(
  ex: Executor,
  ids: readonly string[],
): Promise<ReadonlyMap<string, LinkState>> {
  const rows = await ex
    .selectFrom('links')
    .select(['id', 'state'])
    .where('id', 'in', ids)
    .execute();
  return new Map(rows.map(({ id, state }) => [id, state]));
}

/**
 * The link for a transaction that relies on it: presenting a token, registering a host, opening a
 * session. Until it ends nobody removes the link; one that is being removed is waited for (rule C1).
 */
export async function findForShare(tx: Executor, id: string): Promise<LinkRow | undefined> {
  return tx.selectFrom('links').selectAll().where('id', '=', id).forShare().executeTakeFirst();
}

/** The same for several links: those that are not there any more are not in it. */
export async function listForShare(tx: Executor, ids: readonly string[]): Promise<LinkRow[]> {
  if (ids.length === 0) return [];
  return tx
    .selectFrom('links')
    .selectAll()
    .where('id', 'in', ids)
    .orderBy('id')
    .forShare()
    .execute();
}

export async function findByOrganization(
  ex: Executor,
  orgId: string,
): Promise<LinkRow | undefined> {
  return ex.selectFrom('links').selectAll().where('org_id', '=', orgId).executeTakeFirst();
}

/** The link for its removal: waits for every transaction that relies on it (rule C1). */
export async function findByOrganizationForUpdate(
  tx: Executor,
  orgId: string,
): Promise<LinkRow | undefined> {
  return tx
    .selectFrom('links')
    .selectAll()
    .where('org_id', '=', orgId)
    .forUpdate()
    .executeTakeFirst();
}

/** The same by its id, which comes from a row of the store: for whoever chooses among its hosts. */
export async function findForUpdate(tx: Executor, id: string): Promise<LinkRow | undefined> {
  return tx.selectFrom('links').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
}

/**
 * The link for a locking transaction that changes who its hosts are: waits for every transaction that
 * relies on it, and makes those that come meanwhile run again, since their snapshot is older.
 */
export async function hold(
  tx: Executor,
  of: Pick<LinkRow, 'id'> | Pick<LinkRow, 'org_id'>,
): Promise<LinkRow | undefined> {
  const query = tx.updateTable('links').set((eb) => ({ state: eb.ref('state') }));
  const one = 'id' in of ? query.where('id', '=', of.id) : query.where('org_id', '=', of.org_id);
  return one.returningAll().executeTakeFirst();
}

/** @param tokenHash SHA-256 of the whole link-token */
export async function findByTokenHash(
  ex: Executor,
  tokenHash: Uint8Array,
): Promise<LinkRow | undefined> {
  return ex.selectFrom('links').selectAll().where('token_hash', '=', tokenHash).executeTakeFirst();
}

export async function listByState(ex: Executor, state: LinkState): Promise<LinkRow[]> {
  return ex.selectFrom('links').selectAll().where('state', '=', state).orderBy('id').execute();
}

/** The ids of those that wait for an owner (rule C8): their hosts are refused. */
export async function listSuspended(ex: Executor): Promise<string[]> {
  const rows = await ex
    .selectFrom('links')
    .select('id')
    .where('suspended_at', 'is not', null)
    .execute();
  return rows.map(({ id }) => id);
}

/**
 * Uses the token up for a host: PENDING becomes LINKED (rule C5).
 * @returns false if the link is not PENDING any more
 */
export async function useToken(ex: Executor, id: string, hostId: string): Promise<boolean> {
  const result = await ex
    .updateTable('links')
    .set({ state: 'LINKED', token_host_id: hostId })
    .where('id', '=', id)
    .where('state', '=', 'PENDING')
    .where('token_host_id', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Makes every link wait for an owner, save for those that are being removed (rule C8).
 * @returns those that did not wait already
 */
export async function suspendAll(tx: Executor, at: string): Promise<LinkRow[]> {
  return tx
    .updateTable('links')
    .set({ suspended_at: at })
    .where('state', '!=', 'REMOVING')
    .where('suspended_at', 'is', null)
    .returningAll()
    .execute();
}

/**
 * An owner wants the link to go on.
 * @returns false if it did not wait for that
 */
export async function confirm(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .updateTable('links')
    .set({ suspended_at: null })
    .where('id', '=', id)
    .where('suspended_at', 'is not', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Begins the removal: the link's key is to be removed with it (rule C1). Its id stays, so that whoever asks
 * for the key's removal again joins the wait (rule C3).
 * @returns false if it is being removed already
 */
export async function setRemoving(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .updateTable('links')
    .set({ state: 'REMOVING' })
    .where('id', '=', id)
    .where('state', '!=', 'REMOVING')
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}

/**
 * Ends the removal: link and migration hosts are gone, migrations and validations lose them.
 * @returns false if the link is not REMOVING, or is gone
 */
export async function removeRemoving(ex: Executor, id: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('links')
    .where('id', '=', id)
    .where('state', '=', 'REMOVING')
    .executeTakeFirst();
  if (result.numDeletedRows === 0n) return false;
  await ex
    .updateTable('live_migrations')
    .set({ link_id: null })
    .where('link_id', '=', id)
    .execute();
  await ex.updateTable('validations').set({ link_id: null }).where('link_id', '=', id).execute();
  return true;
}
