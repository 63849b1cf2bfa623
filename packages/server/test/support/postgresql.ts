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

/** An empty database in the PostgreSQL of this run. */
export async function newDatabase(): Promise<TestDatabase> {
  const postgresql = usePostgreSQL(inject('postgresqlUrl') ?? '');
  const url = await postgresql.createDatabase();
  return { url, [Symbol.asyncDispose]: () => postgresql.dropDatabase(url) };
}
