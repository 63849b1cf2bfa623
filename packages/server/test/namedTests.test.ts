import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TESTS = globSync(
  ['packages/*/test/**/*.test.ts', 'packages/server/test/store/*.ts', 'e2e/src/*.test.ts'],
  { cwd: ROOT },
)
  .filter((path) => !path.endsWith('namedTests.test.ts'))
  .map((path) => readFileSync(`${ROOT}/${path}`, 'utf8'));

/** Each test, or file of tests, that the columns of a table name, from that one on. */
function namedIn(page: string, heading: string, column: number): string[] {
  const text = readFileSync(`${ROOT}/docs/${page}`, 'utf8');
  const rows = text.split(`## ${heading}`)[1]?.split('\n') ?? [];
  return rows
    .filter((line) => line.startsWith('| '))
    .slice(2)
    .flatMap((line) => line.split(' | ').slice(column))
    .flatMap((cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''))
    .filter((name) => name.includes(' ') || name.includes('/'));
}

const threats = namedIn('13-security.md', 'Threat model', 2);
const guarantees = namedIn('11-guarantees.md', 'What shows it', 1);

test.each([...threats, ...guarantees])(
  'the documentation names a test that is there: %s',
  (name) => {
    if (name.endsWith('.test.ts')) {
      const [path] = globSync([name, `packages/*/test/*/${name}`], { cwd: ROOT });
      expect(path !== undefined && existsSync(`${ROOT}/${path}`)).toBe(true);
      return;
    }
    // What stands for the values of a test's table is left out.
    const parts = name.split('…').map((part) => part.trim());
    expect(TESTS.some((text) => parts.every((part) => text.includes(part)))).toBe(true);
  },
);

test('the threat model has a test for each threat, and each guarantee some', () => {
  expect(threats.length).toBeGreaterThan(30);
  expect(guarantees.length).toBeGreaterThan(30);
});
