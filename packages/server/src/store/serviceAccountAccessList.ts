import type { Executor } from './executor.ts';
import type { ServiceAccountAccessListRow } from './schema.ts';

export async function list(ex: Executor, clientId: string): Promise<ServiceAccountAccessListRow[]> {
  return ex
    .selectFrom('service_account_access_list')
    .selectAll()
    .where('client_id', '=', clientId)
    .orderBy('created_at')
    .orderBy('cidr')
    .execute();
}

/** An entry that is there already is left alone. */
export async function add(ex: Executor, row: ServiceAccountAccessListRow): Promise<void> {
  await ex
    .insertInto('service_account_access_list')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute();
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
