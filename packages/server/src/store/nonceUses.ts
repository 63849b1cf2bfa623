import type { StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';

/**
 * Uses a count of a nonce for all nodes (rule C7).
 * @returns false if it was used before
 */
export async function add(
  ex: Executor,
  dialect: StoreDialect,
  use: { readonly nonce: string; readonly count: number; readonly lifeMs: number },
): Promise<boolean> {
  const { nonce, count, lifeMs } = use;
  const result = await ex
    .insertInto('nonce_uses')
    .values({ nonce, count, expires_at: dialect.clock(lifeMs) })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (result.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** Forgets the counts of nonces that are good for nothing any more. */
export async function removeExpired(ex: Executor, dialect: StoreDialect): Promise<void> {
  await ex.deleteFrom('nonce_uses').where('expires_at', '<', dialect.clock()).execute();
}
