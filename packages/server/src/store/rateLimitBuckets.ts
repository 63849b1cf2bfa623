import { sql } from 'kysely';
import type { StoreDialect } from './dialects/dialect.ts';
import type { Executor } from './executor.ts';

/** Adding up parts of a request must not come out a hair short of a whole one. */
export const ROUNDING = 1e-6;

export interface Bucket {
  readonly name: string;
  readonly capacity: number;
  /** Requests that come back in a second. */
  readonly perSecond: number;
}

/** Takes one request out of a bucket, which is full if it is not there: one atomic statement. */
export async function take(
  ex: Executor,
  dialect: StoreDialect,
  { name, capacity, perSecond }: Bucket,
): Promise<{ readonly allowed: boolean; readonly tokens: number }> {
  // The new row has the time: it is read once, before a lock on the old one is waited for.
  const passed = sql<number>`(excluded.updated_at - rate_limit_buckets.updated_at)`;
  const refilled = sql<number>`(rate_limit_buckets.tokens
    + case when ${passed} > 0 then ${passed} * cast(${perSecond} as double precision) else 0 end)`;
  const filled = sql<number>`(case when ${refilled} > cast(${capacity} as double precision)
    then cast(${capacity} as double precision) else ${refilled} end)`;
  const enough = sql<boolean>`(${filled} >= cast(${1 - ROUNDING} as double precision))`;
  const row = await ex
    .insertInto('rate_limit_buckets')
    .values({ name, tokens: capacity - 1, allowed: 1, updated_at: dialect.seconds() })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet({
        tokens: sql<number>`case when ${enough} then ${filled} - 1 else ${filled} end`,
        allowed: sql<0 | 1>`case when ${enough} then 1 else 0 end`,
        updated_at: sql<number>`case when ${passed} > 0 then excluded.updated_at
          else rate_limit_buckets.updated_at end`,
      }),
    )
    .returning(['allowed', 'tokens'])
    .executeTakeFirstOrThrow();
  return { allowed: row.allowed === 1, tokens: Math.max(0, row.tokens) };
}

/** Forgets buckets that nobody took from for so long that they are full again. */
export async function removeUnused(
  ex: Executor,
  dialect: StoreDialect,
  seconds: number,
): Promise<void> {
  await ex
    .deleteFrom('rate_limit_buckets')
    .where('updated_at', '<', sql<number>`${dialect.seconds()} - ${seconds}`)
    .execute();
}
