import { usePostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { inject } from 'vitest';

/** A database of a test's own. */
export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
}

/** Whether this run has a PostgreSQL; what needs one is skipped by name where there is none. */
export const hasPostgreSQL = (inject('postgresqlUrl') ?? null) !== null;

/** @returns null where the tests are to run on the embedded store */
export async function testDatabase(): Promise<TestDatabase | null> {
  return process.env['LINKSPAN_TEST_STORE'] === 'postgresql' && hasPostgreSQL
    ? newDatabase()
    : null;
}

/** Empty, in the PostgreSQL of this run: a schema of a database that others use too. */
export async function newDatabase(): Promise<TestDatabase> {
  const postgresql = usePostgreSQL(inject('postgresqlUrl') ?? '');
  const url = await postgresql.createSchema();
  return { url, [Symbol.asyncDispose]: () => postgresql.dropSchema(url) };
}

/** A database of its own, for a test that changes its settings. */
export async function newSeparateDatabase(): Promise<TestDatabase> {
  const postgresql = usePostgreSQL(inject('postgresqlUrl') ?? '');
  const url = await postgresql.createDatabase();
  return { url, [Symbol.asyncDispose]: () => postgresql.dropDatabase(url) };
}
