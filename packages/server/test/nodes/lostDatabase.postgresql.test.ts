import { NO_POSTGRESQL, startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { describe, expect, test, vi } from 'vitest';
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
      await vi.waitFor(async () => {
        expect((await server.api.call('GET', path)).json).toMatchObject({
          name: 'Test Organization',
        });
      });
    });
  },
);
