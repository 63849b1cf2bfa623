import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { PAGES } from '../../../scripts/pages.ts';

test.each(PAGES)('$path is what the code says: npm run docs makes it', ({ path, text }) => {
  expect(readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')).toBe(text);
});
