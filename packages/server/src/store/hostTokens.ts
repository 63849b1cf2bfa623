import type { Executor } from './executor.ts';
import type { HostTokenRow } from './schema.ts';

export async function insert(ex: Executor, row: HostTokenRow): Promise<void> {
  await ex.insertInto('host_tokens').values(row).execute();
}

export async function find(ex: Executor, id: string): Promise<HostTokenRow | undefined> {
  return ex.selectFrom('host_tokens').selectAll().where('id', '=', id).executeTakeFirst();
}

/** @param tokenHash SHA-256 of the whole link-token */
export async function findByTokenHash(
  ex: Executor,
  tokenHash: Uint8Array,
): Promise<HostTokenRow | undefined> {
  return ex
    .selectFrom('host_tokens')
    .selectAll()
    .where('token_hash', '=', tokenHash)
    .executeTakeFirst();
}

/**
 * Uses the token up for a host (rule C5).
 * @returns false if another host has used it
 */
export async function use(ex: Executor, id: string, hostId: string): Promise<boolean> {
  const result = await ex
    .updateTable('host_tokens')
    .set({ token_host_id: hostId })
    .where('id', '=', id)
    .where('token_host_id', 'is', null)
    .executeTakeFirst();
  return result.numUpdatedRows > 0n;
}
