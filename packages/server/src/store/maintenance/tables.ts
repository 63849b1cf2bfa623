import { createHash } from 'node:crypto';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../schema.ts';

/** A table as the embedded store describes it. Both databases have the same ones (see `migrate.ts`). */
export interface TableShape {
  readonly name: string;
  readonly columns: readonly string[];
  /** Empty where it has none: such a table is read at once. */
  readonly primaryKey: readonly string[];
  /** Tables that its rows point to. */
  readonly references: ReadonlySet<string>;
}

export type Row = Readonly<Record<string, unknown>>;

/** Rows that are read, and written, at once. */
const BATCH = 500;

/** Those tables of an embedded store, each after the ones that it points to. */
export async function shapesOf(
  embedded: Kysely<Schema>,
  names: readonly string[],
): Promise<TableShape[]> {
  const waiting: TableShape[] = [];
  for (const name of names) {
    const { rows: columns } = await sql<{ name: string; pk: number }>`
      select name, pk from pragma_table_info(${name}) order by cid`.execute(embedded);
    const { rows: keys } = await sql<{ parent: string }>`
      select "table" as parent from pragma_foreign_key_list(${name})`.execute(embedded);
    const key = columns.filter(({ pk }) => pk > 0).toSorted((a, b) => a.pk - b.pk);
    waiting.push({
      name,
      columns: columns.map((column) => column.name),
      primaryKey: key.map((column) => column.name),
      references: new Set(keys.map(({ parent }) => parent)),
    });
  }
  const ordered: TableShape[] = [];
  while (waiting.length > 0) {
    const open = new Set(waiting.map(({ name }) => name));
    const next = waiting.findIndex(({ name, references }) =>
      [...references].every((parent) => parent === name || !open.has(parent)),
    );
    if (next === -1) throw new Error(`tables point to each other: ${[...open].join(', ')}`);
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}

/** All rows, in batches, in the order of the primary key. */
export async function* readTable(
  db: Kysely<Schema>,
  { name, columns, primaryKey }: TableShape,
): AsyncGenerator<readonly Row[]> {
  const list = sql.join(columns.map((column) => sql.ref(column)));
  if (primaryKey.length === 0) {
    yield (await sql<Row>`select ${list} from ${sql.table(name)}`.execute(db)).rows;
    return;
  }
  const key = sql.join(primaryKey.map((column) => sql.ref(column)));
  for (let last: Row | undefined; ;) {
    const after = last;
    const rest =
      after === undefined
        ? sql``
        : sql`where (${key}) > (${sql.join(primaryKey.map((column) => after[column]))})`;
    const { rows } = await sql<Row>`select ${list} from ${sql.table(name)} ${rest}
      order by ${key} limit ${BATCH}`.execute(db);
    if (rows.length > 0) yield rows;
    last = rows.at(-1);
    if (rows.length < BATCH) return;
  }
}

/** How many rows a table has and what is in them, whatever their order is. */
export class TableDigest {
  rows = 0;
  #sum = 0n;

  add(rows: readonly Row[], columns: readonly string[]): void {
    this.rows += rows.length;
    for (const row of rows) {
      const text = JSON.stringify(columns.map((column) => plain(row[column])));
      const hash = createHash('sha256').update(text).digest('hex');
      this.#sum = BigInt.asUintN(256, this.#sum + BigInt(`0x${hash}`));
    }
  }

  /** Hex. */
  get value(): string {
    return this.#sum.toString(16).padStart(64, '0');
  }
}

/** The same from both databases. */
function plain(value: unknown): unknown {
  return value instanceof Uint8Array ? ['bytes', Buffer.from(value).toString('hex')] : value;
}
