import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NO_POSTGRESQL, startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { sql } from 'kysely';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { describe, expect, test } from 'vitest';
import { storeStatus } from '../../src/store/maintenance/status.ts';
import { openStore } from '../../src/store/open.ts';
import { send } from '../support/api.ts';
import { hasPostgreSQL } from '../support/postgresql.ts';
import { startTestServer } from '../support/server.ts';

const hasBinaries = hasPostgreSQL && (process.env['LINKSPAN_TEST_POSTGRESQL'] ?? '') === '';

describe.skipIf(!hasBinaries)(
  hasBinaries ? 'a database that is lost' : `a database that is lost: ${NO_POSTGRESQL}`,
  () => {
    test('C6: it is answered with 503, never with 401, and all goes on when it is back', async () => {
      await using postgresql = await startPostgreSQL();
      await using server = await startTestServer({ rateLimits: 'false' }, postgresql.url);
      const path = `/api/atlas/v1.0/orgs/${server.orgId}`;
      expect((await server.api.call('GET', path)).status).toBe(200);
      const inside = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const cut = server.store.transaction(async (tx) => {
        await tx.selectFrom('organizations').selectAll().execute();
        inside.resolve();
        await go.promise;
        await tx.selectFrom('organizations').selectAll().execute();
      });
      await inside.promise;
      await postgresql.kill();
      go.resolve();
      await expect(cut).rejects.toThrow('the store failed');
      for (const method of ['GET', 'PATCH']) {
        const answer = await server.api.call(method, path, { body: { name: 'Renamed' } });
        expect(answer.status).toBe(503);
        expect(answer.headers['retry-after']).toBe('5');
        expect(answer.headers['www-authenticate']).toBeUndefined();
      }
      // Without credentials nothing is looked up.
      expect((await send(server.url + path, 'GET')).status).toBe(401);
      await postgresql.restart();
      await eventually(async () => {
        expect((await server.api.call('GET', path)).json).toMatchObject({
          name: 'Test Organization',
        });
      });
    });

    test('C14: no server starts on a database that would lose what it has committed', async () => {
      await using postgresql = await startPostgreSQL();
      const directory = mkdtempSync(join(tmpdir(), 'linkspan-store-'));
      const options = { dataDirectory: directory, masterKeyFile: null, url: postgresql.url };
      {
        await using store = await openStore(options);
        await sql`alter system set fsync = off`.execute(store.db);
        await sql`alter system set full_page_writes = off`.execute(store.db);
        await sql`select pg_reload_conf()`.execute(store.db);
      }
      // A process of the server learns of it a moment later.
      await eventually(async () => {
        const refused = await openStore(options).then((store) => store.close(), String);
        expect(refused).toContain('StoreNotDurableError');
        expect(refused).toContain('fsync is off');
      });
      const { durability } = await storeStatus(options);
      expect(durability.warnings).toEqual([expect.stringContaining('full_page_writes is off')]);
      rmSync(directory, { recursive: true });
    });
  },
);
