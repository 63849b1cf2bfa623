import type { StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';
import type { NodeRow } from './schema.ts';

/** Says that a node runs; the first time, where the others reach it. */
export async function report(
  ex: Executor,
  dialect: StoreDialect,
  node: Pick<NodeRow, 'id' | 'url' | 'key_ids'>,
): Promise<void> {
  const { url, key_ids } = node;
  await ex
    .insertInto('nodes')
    .values({ ...node, started_at: dialect.clock(), seen_at: dialect.clock() })
    .onConflict((conflict) =>
      conflict
        .column('id')
        .doUpdateSet((eb) => ({ url, key_ids, seen_at: eb.ref('excluded.seen_at') })),
    )
    .execute();
}

/** Those that said so within that time. */
export async function listHeardOf(
  ex: Executor,
  dialect: StoreDialect,
  withinMs: number,
): Promise<NodeRow[]> {
  return ex
    .selectFrom('nodes')
    .selectAll()
    .where('seen_at', '>=', dialect.clock(-withinMs))
    .orderBy('started_at')
    .execute();
}

export async function find(ex: Executor, id: string): Promise<NodeRow | undefined> {
  return ex.selectFrom('nodes').selectAll().where('id', '=', id).executeTakeFirst();
}

export async function remove(ex: Executor, id: string): Promise<void> {
  await ex.deleteFrom('nodes').where('id', '=', id).execute();
}

/** Forgets nodes that have said nothing for so long that nothing of theirs is held any more. */
export async function removeSilent(
  ex: Executor,
  dialect: StoreDialect,
  silentMs: number,
): Promise<void> {
  await ex.deleteFrom('nodes').where('seen_at', '<', dialect.clock(-silentMs)).execute();
}
