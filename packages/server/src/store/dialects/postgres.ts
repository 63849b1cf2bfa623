import { PostgresDialect, type PostgresPool, type PostgresPoolClient, sql } from 'kysely';
import pg from 'pg';
import { StoreUnavailableError } from '../store.ts';
import type { StoreDialect } from './dialect.ts';
import { POSTGRES_PLUGINS } from './postgresTypes.ts';

/** How long a new connection may take, and a request may wait for a free one, in milliseconds. */
const CONNECT_MS = 5_000;
/** Nothing that the store does takes long; a database that hangs must not hold every request. */
const STATEMENT_MS = 10_000;
const LOCK_MS = 5_000;
/** A node that was stopped within a transaction must not hold its locks for good. */
const IDLE_IN_TRANSACTION_MS = 10_000;

/** Any number: the advisory lock of whoever changes the tables. */
const SCHEMA_LOCK = 0x6c696e6b;

/** The other one: each running node has a share of it. */
const NODE_LOCK = 0x6e6f6465;

/** For the connection that a running node keeps as long as it can. */
export const SHARE_NODE_LOCK = `select pg_advisory_lock_shared(${NODE_LOCK}, hashtext(current_schema()))`;

/** Two serialisable transactions that cannot be put in an order, and deadlocks. */
const CONFLICTS = new Set(['40001', '40P01']);
const CONFLICT_RETRIES = 15;
/** With others at work: the second time, the row that is in the way is seen and answered for. */
const RACES = new Set(['23503', '23505']);
const RACE_RETRIES = 2;
const CONSTRAINT_CLASS = '23';
/** The connection failed, or was ended while the server was at something: nobody knows how far it came. */
const CONNECTION_LOST = /^(08|57P0)/;

/** int8, which counts and the store's integers are; none of them leaves the safe range. */
const INT8 = 20;

const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format as 'text')) as never,
};

export const POSTGRESQL: StoreDialect = {
  name: 'PostgreSQL',
  isShared: true,
  isolation: 'serializable',
  plugins: POSTGRES_PLUGINS,
  clock: (aheadMs = 0) =>
    sql<string>`to_char((clock_timestamp() + make_interval(secs => ${aheadMs / 1000}::float8)) at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') collate "C"`,
  seconds: () => sql<number>`extract(epoch from clock_timestamp())::float8`,
  retries(error) {
    const code = answered(error) ?? '';
    if (CONFLICTS.has(code)) return CONFLICT_RETRIES;
    return RACES.has(code) ? RACE_RETRIES : 0;
  },
  isOver(error) {
    const code = answered(error);
    return code !== null && !CONNECTION_LOST.test(code);
  },
  async lockSchema(db) {
    await sql`select pg_advisory_xact_lock(${SCHEMA_LOCK})`.execute(db);
  },
  async tables(db) {
    const { rows } = await sql<{ name: string }>`select tablename as name from pg_tables
      where schemaname = current_schema() order by tablename`.execute(db);
    return rows.map(({ name }) => name);
  },
  async lockTables(tx, tables) {
    const names = sql.join(tables.map((name) => sql.table(name)));
    await sql`lock table ${names} in exclusive mode`.execute(tx);
  },
  async continueCounters(tx, table) {
    const { rows } = await sql<{ name: string }>`select column_name as name
      from information_schema.columns where table_schema = current_schema()
      and table_name = ${table} and is_identity = 'YES'`.execute(tx);
    for (const { name } of rows) {
      const highest = sql`(select coalesce(max(${sql.ref(name)}), 0) from ${sql.table(table)})`;
      await sql`select setval(pg_get_serial_sequence(${table}, ${name}),
        greatest(${highest}, 1), ${highest} > 0)`.execute(tx);
    }
  },
  async isInUse(tx) {
    const { rows } = await sql<{ free: boolean }>`select
      pg_try_advisory_xact_lock(${NODE_LOCK}, hashtext(current_schema())) as free`.execute(tx);
    return rows[0]?.free !== true;
  },
  async durability(db) {
    const { rows } = await sql<{ name: string; setting: string }>`
      select name, setting from pg_settings where name in ('server_version', 'fsync',
        'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'wal_level')
      order by name`.execute(db);
    const settings = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    const faults: string[] = [];
    const warnings: string[] = [];
    if (settings['fsync'] !== 'on') faults.push(`fsync is ${settings['fsync']}`);
    if (!['on', 'remote_apply'].includes(settings['synchronous_commit'] ?? '')) {
      faults.push(`synchronous_commit is ${settings['synchronous_commit']}`);
    }
    if (settings['full_page_writes'] !== 'on') {
      warnings.push(
        'full_page_writes is off: right only on a file system that never writes a page by halves',
      );
    }
    return { settings, faults, warnings };
  },
};

/** Makes it `on` where the server, database or user has less, and leaves more as it is. */
const AT_LEAST_DURABLE = `select set_config('synchronous_commit', case when
  current_setting('synchronous_commit') in ('on', 'remote_apply')
  then current_setting('synchronous_commit') else 'on' end, false)`;

/** How to reach it, without its tables being touched. */
export function connectionOptions(url: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: 'linkspan-server',
    connectionTimeoutMillis: CONNECT_MS,
    keepAlive: true,
  };
}

/**
 * A pool of connections; none is made before the first statement.
 * @param connections the most of them
 */
export function openPostgres(url: string, connections: number): PostgresDialect {
  const pool = new pg.Pool({
    ...connectionOptions(url),
    max: connections,
    statement_timeout: STATEMENT_MS,
    // The server ends it first, and says why; this is for one that says nothing any more.
    query_timeout: 2 * STATEMENT_MS,
    lock_timeout: LOCK_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types,
  });
  // A connection that breaks while it is idle is replaced; whoever needs one then hears of it.
  pool.on('error', () => {});
  const prepared = new WeakSet<pg.PoolClient>();
  const guarded: PostgresPool = {
    options: pool.options,
    end: () => pool.end(),
    async connect() {
      const client = await guard(() => pool.connect());
      if (!prepared.has(client)) {
        // One that breaks between two statements says so at the next; unheard it ends the process.
        client.on('error', () => {});
        try {
          await guard(() => client.query(AT_LEAST_DURABLE));
        } catch (error) {
          client.release(true);
          throw error;
        }
        prepared.add(client);
      }
      return guardClient(client);
    },
  };
  return new PostgresDialect({ pool: guarded });
}

const clients = new WeakMap<pg.PoolClient, PostgresPoolClient>();

function guardClient(client: pg.PoolClient): PostgresPoolClient {
  const known = clients.get(client);
  if (known !== undefined) return known;
  let broken = false;
  const query = async (text: string, parameters: readonly unknown[]): Promise<unknown> => {
    try {
      return await guard(() => client.query(text, [...parameters]));
    } catch (error) {
      // Without an answer of the server nobody knows what the connection is in the middle of.
      const { cause } = error as { cause?: unknown };
      if (error instanceof StoreUnavailableError && sqlState(cause) === null) broken = true;
      throw error;
    }
  };
  const guarded = {
    query,
    release: (destroy?: boolean) => client.release(destroy === true || broken),
  } as PostgresPoolClient;
  clients.set(client, guarded);
  return guarded;
}

/** What the server itself answered, if it did. */
function sqlState(error: unknown): string | null {
  return error instanceof pg.DatabaseError ? (error.code ?? null) : null;
}

/** The same of what {@link guard} has made of it. */
function answered(error: unknown): string | null {
  return sqlState(error) ?? sqlState((error as { cause?: unknown } | null)?.cause);
}

/**
 * Tells a database that fails or is gone from a statement that is refused. What a conflict is stays
 * to be seen in the cause.
 */
async function guard<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (sqlState(error)?.startsWith(CONSTRAINT_CLASS) === true) throw error;
    throw new StoreUnavailableError(`the store failed: ${String(error)}`, { cause: error });
  }
}
