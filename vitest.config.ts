import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './packages/testkit/src/longestFirst.ts';

/** What depends on the store behind the server: run on the embedded one by `unit`, too. */
const onBothStores = [
  'http/everyChange',
  'http/events',
  'http/organizations',
  'operations/linkRemoval',
  'store/killed',
  'store/rotate',
].map((name) => `packages/server/test/${name}.test.ts`);

/**
 * Unit tests stand alone; `postgresql` tests and some others run on a real PostgreSQL; `mongo` tests
 * talk to a real database; `conformance` makes every call of the contract; `e2e` starts real
 * processes.
 */
/**
 * Files that run in one worker after another share the modules they load: loading those for each takes more
 * than half of the processors' time. So a file puts back what it changes of the process.
 */
const shareModules = { isolate: false } as const;

export default defineConfig({
  test: {
    // Vitest leaves a core out by itself, which is half of two. Tests wait for leases, silences, commands that
    // are held back and processes that start, more than for processors.
    maxWorkers: Math.max(3, Math.ceil(1.5 * availableParallelism())),
    expect: { poll: { timeout: 30_000 } },
    // Vitest's five seconds are little for a busy machine, even where nothing is waited for.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          ...shareModules,
          include: ['packages/*/test/**/*.test.ts', 'bench/test/**/*.test.ts'],
          exclude: [
            'packages/*/test/**/*.mongo.test.ts',
            'packages/*/test/**/*.postgresql.test.ts',
            '**/node_modules/**',
          ],
        },
      },
      {
        extends: true,
        test: {
          name: 'postgresql',
          ...shareModules,
          include: ['packages/*/test/**/*.postgresql.test.ts', ...onBothStores],
          globalSetup: ['packages/testkit/src/postgresqlSetup.ts'],
          env: { LINKSPAN_TEST_STORE: 'postgresql' },
        },
      },
      {
        extends: true,
        test: {
          name: 'mongo',
          ...shareModules,
          include: ['packages/*/test/**/*.mongo.test.ts'],
          globalSetup: ['packages/testkit/src/globalSetup.ts'],
          // Whole migrations, which take a third of a minute where nothing else runs.
          testTimeout: 180_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'conformance',
          include: ['conformance/test/**/*.test.ts'],
          globalSetup: ['packages/testkit/src/globalSetup.ts'],
          hookTimeout: 120_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['e2e/src/**/*.test.ts'],
          globalSetup: ['packages/testkit/src/globalSetup.ts'],
          testTimeout: 180_000,
          hookTimeout: 120_000,
          // After the others: these look at how long the whole system takes to notice things.
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
