import type { Executor } from './executor.ts';
import type { Selectable } from 'kysely';
import type { Schema, ServiceAccountAccessListRow } from './schema.ts';

/** An entry with what it was good for. */
export type UsedEntry = Selectable<Schema['service_account_access_list']>;

export async function list(ex: Executor, clientId: string): Promise<UsedEntry[]> {
  return ex
    .selectFrom('service_account_access_list')
    .selectAll()
    .where('client_id', '=', clientId)
    .orderBy('created_at')
    .orderBy('cidr')
    .execute();
}

/** @returns false for an entry that is there already: it is left alone */
export async function add(ex: Executor, row: ServiceAccountAccessListRow): Promise<boolean> {
  const result = await ex
    .insertInto('service_account_access_list')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** @returns false if there was no such entry */
export async function remove(ex: Executor, clientId: string, cidr: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('service_account_access_list')
    .where('client_id', '=', clientId)
    .where('cidr', '=', cidr)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
