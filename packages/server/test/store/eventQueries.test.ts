import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type SelectQueryBuilder, sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import * as events from '../../src/store/events.ts';
import { openStore } from '../../src/store/open.ts';
import type { Schema } from '../../src/store/schema.ts';
import type { Store } from '../../src/store/store.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-events-'));
let store: Store;
beforeAll(async () => {
  store = await openStore({ dataDirectory: directory, masterKeyFile: null });
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

const ORG: events.EventScope = { orgId: newId(), projectIds: null };
const MEMBER: events.EventScope = { orgId: newId(), projectIds: [newId()] };
const PROJECT: events.EventScope = { projectId: newId() };
const FILTERS: readonly events.EventFilter[] = [
  {},
  { from: '2026-01-01', until: '2026-02-01' },
  { types: ['ORG_CREATED', 'ORG_RENAMED'], excludedTypes: ['ORG_DELETED'] },
];

async function plan<O>(query: SelectQueryBuilder<Schema, 'events', O>): Promise<string> {
  const steps = await query.explain<{ detail: string }>(undefined, sql`query plan`);
  return steps.map(({ detail }) => detail).join('\n');
}

test.each([
  ['an organization', ORG, 'events_by_org', FILTERS],
  ['a member of an organization', MEMBER, 'events_by_org', FILTERS],
  ['a project', PROJECT, 'events_by_project', [...FILTERS, { clusterNames: ['a', 'b'] }]],
] as const)(
  'a page and the count of %s are cut from an index, nothing is sorted but the page',
  async (_, scope, index, filters) => {
    for (const filter of filters) {
      const page = await plan(events.pageOf(store.db, scope, filter, { offset: 0, limit: 10 }));
      expect(page).toContain(`USING COVERING INDEX ${index}`);
      expect(page).toContain('SEARCH events USING INTEGER PRIMARY KEY');
      expect(page.match(/USE TEMP B-TREE/g) ?? []).toHaveLength(1);
      const count = await plan(events.countOf(store.db, scope, filter));
      expect(count).toContain(`SEARCH events USING COVERING INDEX ${index}`);
      expect(`${page}${count}`).not.toMatch(/SCAN events/);
    }
  },
);
