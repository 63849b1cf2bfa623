import type { Executor } from './executor.ts';
import type { StoreFact } from './schema.ts';

export async function find(ex: Executor, name: StoreFact): Promise<string | null> {
  const row = await ex
    .selectFrom('store_facts')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.value ?? null;
}

/** Sets what is not set yet. @returns what it is from here on */
export async function claim(ex: Executor, name: StoreFact, value: string): Promise<string> {
  await ex
    .insertInto('store_facts')
    .values({ name, value })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
  return (await find(ex, name)) ?? value;
}

export async function set(ex: Executor, name: StoreFact, value: string): Promise<void> {
  await ex
    .insertInto('store_facts')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute();
}

export async function remove(ex: Executor, name: StoreFact): Promise<void> {
  await ex.deleteFrom('store_facts').where('name', '=', name).execute();
}
