import type { Executor } from './executor.ts';
import type { AccessTokenRow } from './schema.ts';

export async function insert(ex: Executor, row: AccessTokenRow): Promise<void> {
  await ex.insertInto('access_tokens').values(row).execute();
}

/** A token that has neither been revoked nor expired by that time. */
export async function findLive(
  ex: Executor,
  id: string,
  at: string,
): Promise<AccessTokenRow | undefined> {
  return ex
    .selectFrom('access_tokens')
    .selectAll()
    .where('id', '=', id)
    .where('expires_at', '>', at)
    .executeTakeFirst();
}

/** How many tokens of the account are live at that time. */
export async function countLive(ex: Executor, clientId: string, at: string): Promise<number> {
  const row = await ex
    .selectFrom('access_tokens')
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .where('client_id', '=', clientId)
    .where('expires_at', '>', at)
    .executeTakeFirstOrThrow();
  return Number(row.count);
}

/** @returns false if the account had no such token */
export async function remove(ex: Executor, clientId: string, id: string): Promise<boolean> {
  const result = await ex
    .deleteFrom('access_tokens')
    .where('client_id', '=', clientId)
    .where('id', '=', id)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Forgets the account's tokens that have expired by that time. */
export async function removeExpired(ex: Executor, clientId: string, at: string): Promise<void> {
  await ex
    .deleteFrom('access_tokens')
    .where('client_id', '=', clientId)
    .where('expires_at', '<=', at)
    .execute();
}
