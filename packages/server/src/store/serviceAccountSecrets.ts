import type { Executor } from './executor.ts';
import type { ServiceAccountSecretRow } from './schema.ts';

export async function insert(ex: Executor, row: ServiceAccountSecretRow): Promise<void> {
  await ex.insertInto('service_account_secrets').values(row).execute();
}

/** Secrets of an account, the oldest first. */
export async function list(ex: Executor, clientId: string): Promise<ServiceAccountSecretRow[]> {
  return ex
    .selectFrom('service_account_secrets')
    .selectAll()
    .where('client_id', '=', clientId)
    .orderBy('created_at')
    .orderBy('id')
    .execute();
}

export async function setLastUsed(ex: Executor, id: string, at: string): Promise<void> {
  await ex
    .updateTable('service_account_secrets')
    .set({ last_used_at: at })
    .where('id', '=', id)
    .execute();
}

/**
 * Removes a secret of the account, and with it the access tokens that were issued for it.
 * @returns false if the account had no such secret
 */
export async function remove(ex: Executor, clientId: string, id: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('service_account_secrets')
    .where('client_id', '=', clientId)
    .where('id', '=', id)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
