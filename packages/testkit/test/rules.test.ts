import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { findRuleTests, RULES, RULES_PAGE, untestedRules } from '../../../scripts/rules.ts';

const page = readFileSync(new URL(`../../../${RULES_PAGE}`, import.meta.url), 'utf8');

test('every rule and hazard has a test, or a reason why not', () => {
  expect(untestedRules(findRuleTests())).toEqual([]);
});

test('the page of rules names all of them, and only tests that there are: npm run docs makes it', () => {
  const known = new Set(findRuleTests().map(({ name, file }) => `${name} (\`${file}\`)`));
  const rows = page.split('\n').filter((line) => /^\| (?:[DI]\d+|Hazard \d+) /.test(line));
  expect(rows.map((row) => row.split(' | ')[0])).toEqual(RULES.map(({ id }) => `| ${id}`));
  const cells = rows.flatMap((row) =>
    row.slice(0, -2).split(' | ').slice(2).join(' | ').split('<br>'),
  );
  const named = cells.filter((cell) => cell.endsWith('.test.ts`)')).map(unescape);
  expect(named.length).toBeGreaterThan(100);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
});

function unescape(text: string): string {
  return text.replaceAll(/\\([|$])/g, '$1').replaceAll('&lt;', '<');
}
