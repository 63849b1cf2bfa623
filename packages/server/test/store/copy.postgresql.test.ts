import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyStore, StoreCopyError } from '../../src/store/maintenance/copy.ts';
import { migrateStore, storeStatus } from '../../src/store/maintenance/status.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as events from '../../src/store/events.ts';
import { openStore, type StoreOptions } from '../../src/store/open.ts';
import { StoreLockedError } from '../../src/store/store.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { hasPostgreSQL, newDatabase, type TestDatabase } from '../support/postgresql.ts';
import { startTestServer } from '../support/server.ts';

let directory: string;
let database: TestDatabase;

const embedded = (name: string): StoreOptions => ({
  dataDirectory: join(directory, name),
  masterKeyFile: null,
});
const shared = (): StoreOptions => ({ ...embedded('node'), url: database.url });

/** A store that a server has worked on, with more events than are read at once. */
async function usedStore(): Promise<{ readonly orgId: string; readonly groupId: string }> {
  // On the embedded store whatever this run is for.
  await using server = await startTestServer({}, null);
  const { orgId } = server;
  await linkHost(server);
  const groupId = await makeDestination(server);
  const base = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  await server.api.call('POST', base, { body: migrationBody(groupId) });
  await server.store.transaction(async (tx) => {
    for (let count = 0; count < 1100; count++) {
      await events.record(tx, { type: 'ORG_RENAMED', orgId, actor: null, detail: { count } });
    }
  });
  await server.stop();
  cpSync(server.dataDirectory, join(directory, 'source'), { recursive: true });
  return { orgId, groupId };
}

describe.skipIf(!hasPostgreSQL)(
  hasPostgreSQL ? 'copies of a store' : `copies of a store: ${NO_POSTGRESQL}`,
  () => {
    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), 'linkspan-copy-'));
      database = await newDatabase();
    });
    afterEach(async () => {
      await database[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    });

    test('C8: an embedded store moves into PostgreSQL and back, and nothing is lost or opened', async () => {
      const { orgId, groupId } = await usedStore();
      const source = embedded('source');
      const before = await storeStatus(source);
      const copied = await copyStore(source, shared());
      const rows = Object.fromEntries(copied.map((table) => [table.table, table.rows]));
      expect(before.rows).toMatchObject(rows);
      expect(rows).toMatchObject({ organizations: 1, links: 1, live_migrations: 1, clusters: 1 });
      expect(rows['events']).toBeGreaterThan(1100);

      const masterKeyFile = join(directory, 'source', 'master.key');
      const node = { ...shared(), masterKeyFile };
      {
        await using store = await openStore(node);
        const cluster = await clusters.findByName(store.db, groupId, 'target');
        expect(clusters.openUri(store.sealer, cluster!)).toContain('writer:hidden-password');
        const all = await events.listByOrganization(store.db, orgId);
        await events.record(store.db, { type: 'ORG_RENAMED', orgId, actor: null });
        const grown = await events.listByOrganization(store.db, orgId);
        expect(grown.at(-1)?.sequence).toBe((all.at(-1)?.sequence ?? 0) + 1);
      }
      const there = await storeStatus(node);
      expect(there).toMatchObject({ store: 'PostgreSQL', schemaVersion: before.schemaVersion });

      const back = await copyStore(node, embedded('back'));
      for (const { table, digest } of back) {
        const first = copied.find((one) => one.table === table);
        if (table !== 'events') expect({ table, digest }).toEqual({ table, digest: first?.digest });
      }
      await using again = await openStore({ ...embedded('back'), masterKeyFile });
      expect(await events.listByOrganization(again.db, orgId)).toHaveLength(
        (rows['events'] ?? 0) + 1,
      );
      await events.record(again.db, { type: 'ORG_RENAMED', orgId, actor: null });
    });

    test('a target that is not empty, and a store that a server uses, are refused', async () => {
      await usedStore();
      const source = embedded('source');
      await expect(copyStore(embedded('missing'), shared())).rejects.toThrow('there is no store');
      await expect(copyStore(source, embedded('other'))).rejects.toThrow(StoreCopyError);
      {
        await using _server = await openStore(source);
        await expect(copyStore(source, shared())).rejects.toThrow(StoreLockedError);
      }
      await copyStore(source, shared());
      await expect(copyStore(source, shared())).rejects.toThrow('the target is not empty');

      const masterKeyFile = join(directory, 'source', 'master.key');
      await using node = await openStore({ ...shared(), masterKeyFile });
      using _running = node.signals.on('anything', () => {});
      await node.signals.listening();
      await expect(copyStore(shared(), embedded('back'))).rejects.toThrow(
        'a server runs on the source: stop every node first',
      );
    });

    test('a copy that fails leaves the target empty', async () => {
      await usedStore();
      const source = embedded('source');
      await migrateStore(shared());
      {
        await using store = await openStore({ ...shared(), masterKeyFile: null });
        await sql`delete from store_facts`.execute(store.db);
        await sql`alter table events add constraint full_up check (sequence < 1000)`.execute(
          store.db,
        );
      }
      await expect(copyStore(source, shared())).rejects.toThrow('full_up');
      const { rows } = await storeStatus(shared());
      const { schema_migrations: _, ...filled } = rows;
      expect(new Set(Object.values(filled))).toEqual(new Set([0]));
    });
  },
);
