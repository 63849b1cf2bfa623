import { sql } from 'kysely';
import * as apiKeys from './apiKeys.ts';
import * as clusters from './clusters.ts';
import type { Executor } from './executor.ts';
import * as liveMigrations from './liveMigrations.ts';
import { KEY_ID_AT, KEY_ID_BYTES, type Sealer } from './sealing.ts';
import * as signingKeys from './signingKeys.ts';
import * as validations from './validations.ts';

/** A column of sealed values, and the identity of a row that they are sealed with. */
interface SealedColumn {
  readonly table: string;
  readonly column: string;
  readonly identity: (id: string) => string;
}

/** Every one that the store has. */
export const SEALED_COLUMNS: readonly SealedColumn[] = [
  { table: 'api_keys', column: 'ha1_sealed', identity: apiKeys.ha1Identity },
  { table: 'clusters', column: 'uri_sealed', identity: clusters.uriIdentity },
  {
    table: 'signing_keys',
    column: 'private_key_sealed',
    identity: signingKeys.privateKeyIdentity,
  },
  { table: 'validations', column: 'password_sealed', identity: validations.passwordIdentity },
  {
    table: 'live_migrations',
    column: 'password_sealed',
    identity: liveMigrations.passwordIdentity,
  },
];

/** How many values are sealed under which key, by its id. */
export async function countByKey(ex: Executor): Promise<Map<string, number>> {
  const counted = new Map<string, number>();
  for (const { table, column } of SEALED_COLUMNS) {
    const { rows } = await sql<{ key: Uint8Array; total: number }>`
      select substr(${sql.ref(column)}, ${sql.lit(KEY_ID_AT + 1)}, ${sql.lit(KEY_ID_BYTES)}) as key,
        count(*) as total
      from ${sql.table(table)} where ${sql.ref(column)} is not null group by 1`.execute(ex);
    for (const { key, total } of rows) {
      const id = Buffer.from(key).toString('hex');
      counted.set(id, (counted.get(id) ?? 0) + Number(total));
    }
  }
  return counted;
}

/**
 * Seals every value again that is not under the sealer's own key. One that is changed or erased meanwhile is
 * left as whoever did that has it.
 * @param tx a transaction, which may be one that sees what others commit meanwhile
 * @returns how many
 * @throws {SealError} if one does not open
 */
export async function sealAgain(tx: Executor, sealer: Sealer): Promise<number> {
  let changed = 0;
  for (const { table, column, identity } of SEALED_COLUMNS) {
    const { rows } = await sql<{ id: string; sealed: Uint8Array }>`
      select id, ${sql.ref(column)} as sealed from ${sql.table(table)}
      where ${sql.ref(column)} is not null order by id`.execute(tx);
    for (const { id, sealed } of rows) {
      if (sealer.hasSealed(sealed)) continue;
      const again = sealer.seal(identity(id), sealer.open(identity(id), sealed));
      const { numAffectedRows } = await sql`update ${sql.table(table)}
        set ${sql.ref(column)} = ${again}
        where id = ${id} and ${sql.ref(column)} = ${sealed}`.execute(tx);
      changed += Number(numAffectedRows ?? 0n);
    }
  }
  return changed;
}
