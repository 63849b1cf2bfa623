import type { TestProject } from 'vitest/node';
import { hasPostgreSQL, startPostgreSQL } from './postgresql.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the PostgreSQL that the tests of the project share; null where there is none. */
    postgresqlUrl: string | null;
  }
}

/** Vitest's hook: one PostgreSQL for all files of the project, each test with its own database. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!hasPostgreSQL()) {
    project.provide('postgresqlUrl', null);
    return async () => {};
  }
  const postgresql = await startPostgreSQL();
  project.provide('postgresqlUrl', postgresql.url);
  return () => postgresql.stop();
}
