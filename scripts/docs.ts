import { writeFileSync } from 'node:fs';
import { PAGES } from './pages.ts';

for (const { path, text } of PAGES) writeFileSync(new URL(`../${path}`, import.meta.url), text);
