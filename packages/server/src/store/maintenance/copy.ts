import { type Kysely, sql } from 'kysely';
import { migrate, SCHEMA_VERSION, schemaVersion } from '../migrate.ts';
import { connect, type Connected, requireStore, type StoreOptions } from '../open.ts';
import { type Schema, TRANSIENT_TABLES } from '../schema.ts';
import { readTable, shapesOf, TableDigest, type TableShape } from './tables.ts';

/** The store cannot be copied; nothing was written. */
export class StoreCopyError extends Error {
  override readonly name = 'StoreCopyError';
}

export interface CopiedTable {
  readonly table: string;
  readonly rows: number;
  /** SHA-256 over all rows, hex: the same at the source and at the target. */
  readonly digest: string;
}

/** Tables that a copy leaves out: they say what the target has, or are of use for minutes only. */
const LEFT_OUT: ReadonlySet<string> = new Set(['schema_migrations', ...TRANSIENT_TABLES]);

/**
 * Copies everything that a store holds into an empty one, from the embedded store to PostgreSQL or
 * back. The source is read in one state and nobody can write to it meanwhile; the target has all of
 * it or nothing. Sealed values stay as they are: under the same master key.
 * @throws {StoreCopyError} if a server runs on either, the source is of another version, the target
 *   is not empty, or what arrived is not what was sent
 * @throws {StoreUnavailableError} if there is no source
 * @throws {StoreLockedError} while a server has the embedded store open
 */
export async function copyStore(from: StoreOptions, to: StoreOptions): Promise<CopiedTable[]> {
  if ((from.url === undefined) === (to.url === undefined)) {
    throw new StoreCopyError(
      'a store is copied from the embedded one to PostgreSQL, or from PostgreSQL to an embedded one: for two of a kind use what the database has for it',
    );
  }
  await using opened = new AsyncDisposableStack();
  const open = (options: StoreOptions): Connected => {
    const connected = connect(options);
    opened.defer(() => connected.close());
    return connected;
  };
  requireStore(from);
  const source = open(from);
  const version = await schemaVersion(source.db, source.dialect);
  if (version !== SCHEMA_VERSION) {
    throw new StoreCopyError(
      version === 0
        ? 'the source is no store: it has no tables'
        : `the source has schema version ${version}, this command copies version ${SCHEMA_VERSION}: bring it up to date with \`linkspan store migrate\`, or use the version of Linkspan that wrote it`,
    );
  }
  const target = open(to);
  await migrate(target.db, target.dialect);
  return await source.db.transaction().execute((reading) =>
    target.db.transaction().execute(async (writing) => {
      const embedded = from.url === undefined ? reading : writing;
      const names = (await source.dialect.tables(reading)).filter((name) => !LEFT_OUT.has(name));
      const shapes = await shapesOf(embedded, names);
      await refuseUsed(source, reading, 'source');
      await refuseUsed(target, writing, 'target');
      await source.dialect.lockTables(reading, names);
      await refuseFilled(writing, shapes);
      const copied: CopiedTable[] = [];
      for (const shape of shapes) copied.push(await copyTable(reading, writing, shape));
      for (const { name } of shapes) await target.dialect.continueCounters(writing, name);
      return copied;
    }),
  );
}

async function refuseUsed({ dialect }: Connected, tx: Kysely<Schema>, which: string) {
  if (!(await dialect.isInUse(tx))) return;
  throw new StoreCopyError(`a server runs on the ${which}: stop every node first`);
}

async function refuseFilled(tx: Kysely<Schema>, shapes: readonly TableShape[]): Promise<void> {
  for (const { name } of shapes) {
    const { rows } = await sql`select 1 from ${sql.table(name)} limit 1`.execute(tx);
    if (rows.length === 0) continue;
    throw new StoreCopyError(
      `the target is not empty: its table ${name} has rows. Name an empty database, or another directory`,
    );
  }
}

/** Compares what has arrived with what was sent, by reading it back. */
async function copyTable(
  reading: Kysely<Schema>,
  writing: Kysely<Schema>,
  shape: TableShape,
): Promise<CopiedTable> {
  const { name, columns } = shape;
  const sent = new TableDigest();
  const list = sql.join(columns.map((column) => sql.ref(column)));
  for await (const rows of readTable(reading, shape)) {
    sent.add(rows, columns);
    // Of many columns, fewer rows: a statement takes so many parameters.
    const most = Math.floor(20_000 / columns.length);
    for (let start = 0; start < rows.length; start += most) {
      const values = rows
        .slice(start, start + most)
        .map((row) => sql`(${sql.join(columns.map((column) => row[column] ?? null))})`);
      await sql`insert into ${sql.table(name)} (${list}) values ${sql.join(values)}`.execute(
        writing,
      );
    }
  }
  const arrived = new TableDigest();
  for await (const rows of readTable(writing, shape)) arrived.add(rows, columns);
  if (arrived.rows !== sent.rows || arrived.value !== sent.value) {
    throw new StoreCopyError(
      `the rows of ${name} did not arrive as they were sent (${sent.rows} sent, ${arrived.rows} arrived): nothing was copied`,
    );
  }
  return { table: name, rows: sent.rows, digest: sent.value };
}
