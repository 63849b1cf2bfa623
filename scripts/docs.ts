import { writeFileSync } from 'node:fs';
import { PAGES } from './pages.ts';
import { RULES_PAGE, rulesPage } from './rules.ts';

// Others add tests all the time: that page is checked for what it names, not for being the newest.
const pages = [...PAGES, { path: RULES_PAGE, text: rulesPage() }];
for (const { path, text } of pages) writeFileSync(new URL(`../${path}`, import.meta.url), text);
