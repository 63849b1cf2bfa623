import { existsSync, globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const PAGE = readFileSync(`${ROOT}/docs/13-security.md`, 'utf8');
const TESTS = globSync(
  ['packages/*/test/**/*.test.ts', 'packages/server/test/store/*.ts', 'e2e/src/*.test.ts'],
  { cwd: ROOT },
)
  .filter((path) => !path.endsWith('threatModel.test.ts'))
  .map((path) => readFileSync(`${ROOT}/${path}`, 'utf8'));

/** Each test, or file of tests, that the last column of the threat model names. */
const named = PAGE.split('## Threat model')[1]
  ?.split('\n')
  .filter(
    (line) => line.startsWith('| ') && !line.startsWith('| threat') && !line.startsWith('| ---'),
  )
  .flatMap((line) =>
    [...(line.split(' | ')[2] ?? '').matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ''),
  );

test.each(named ?? [])('the threat model names what is there: %s', (name) => {
  if (name.endsWith('.test.ts')) {
    const [path] = globSync([name, `packages/*/test/*/${name}`], { cwd: ROOT });
    expect(path !== undefined && existsSync(`${ROOT}/${path}`)).toBe(true);
    return;
  }
  // What stands for the values of a test's table is left out.
  const parts = name.split('…').map((part) => part.trim());
  expect(TESTS.some((text) => parts.every((part) => text.includes(part)))).toBe(true);
});

test('the threat model has a test for each threat', () => {
  expect(named?.length).toBeGreaterThan(30);
});
