import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openStore } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';

const directory = mkdtempSync(join(tmpdir(), 'linkspan-sign-ins-'));
let store: Store;
beforeAll(async () => {
  store = await openStore({ dataDirectory: directory, masterKeyFile: null });
});
afterAll(async () => {
  await store.close();
  rmSync(directory, { recursive: true });
});

test.each([
  ['api_keys', 'public_key'],
  ['api_key_roles', 'api_key_id'],
  ['api_key_access_list', 'api_key_id'],
  ['service_accounts', 'client_id'],
  ['service_account_roles', 'client_id'],
  ['service_account_secrets', 'client_id'],
  ['service_account_access_list', 'client_id'],
  ['access_tokens', 'id'],
  ['access_tokens', 'client_id'],
  ['access_tokens', 'secret_id'],
  ['signing_keys', 'id'],
])('what credentials are looked up by is in an index: %s by %s', async (table, column) => {
  const query = sql<{ detail: string }>`explain query plan
    select * from ${sql.table(table)} where ${sql.ref(column)} = ${'x'}`;
  const { rows } = await query.execute(store.db);
  expect(rows.map(({ detail }) => detail).join('\n')).toMatch(/^SEARCH .* USING .*INDEX/);
});
