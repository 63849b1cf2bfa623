import { setTimeout as delay } from 'node:timers/promises';
import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import type { HostPrincipal } from '../../src/gateway/authenticate.ts';
import type { GatewayContext } from '../../src/gateway/context.ts';
import { Sessions } from '../../src/gateway/sessions.ts';
import { unlinkHost } from '../../src/gateway/unlink.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import type { Store } from '../../src/store/store.ts';
import * as validations from '../../src/store/validations.ts';
import { type Response, textOf } from '../support/api.ts';
import { addHost, linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { hasPostgreSQL } from '../support/postgresql.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

/** Long enough for a change that waits for nobody, and shorter than the store waits for a lock. */
const UNHINDERED_MS = 1_500;

/**
 * Sends a request that has found its link and migration host, and waits at its row of `table`, until the
 * change is done or waits for it.
 */
async function during(
  server: TestServer,
  { store }: { readonly store: Store },
  table: 'live_migrations' | 'validations',
  path: string,
  groupId: string,
  change: () => Promise<unknown>,
): Promise<{ readonly made: Response; readonly changed: Promise<unknown> }> {
  const isHeld = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  // The new row belongs to the project.
  const holding = store.lockingTransaction(async (tx) => {
    await tx.selectFrom('projects').select('id').where('id', '=', groupId).forUpdate().execute();
    isHeld.resolve();
    await go.promise;
  });
  await isHeld.promise;
  const requested = server.api.call('POST', path, { body: migrationBody(groupId) });
  await expect
    .poll(async () => {
      const { rows } = await sql`select 1 from pg_locks where relation = ${table}::regclass
        and mode = 'RowExclusiveLock' and granted`.execute(server.store.db);
      return rows.length;
    })
    .toBeGreaterThan(0);
  const changed = change();
  await Promise.race([changed, delay(UNHINDERED_MS)]);
  go.resolve();
  await holding;
  return { made: await requested, changed };
}

describe.skipIf(!hasPostgreSQL)(
  hasPostgreSQL
    ? 'a request that names its migration host'
    : `a request that names its migration host: ${NO_POSTGRESQL}`,
  () => {
    const pathOf = (groupId: string): string => `/api/atlas/v2/groups/${groupId}/liveMigrations`;

    test('C1: what is created while its link-token is removed has ended with it', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      await linkHost(server);
      const groupId = await makeDestination(server);
      const tokens = `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/linkTokens`;
      // The link is there as long as nothing is proven.
      const proof = Promise.withResolvers<null>();
      server.hooks.settle = () => proof.promise;
      const { made, changed } = await during(
        server,
        node,
        'live_migrations',
        pathOf(groupId),
        groupId,
        async () => {
          expect((await node.api.call('DELETE', tokens)).status).toBe(204);
        },
      );
      proof.resolve(null);
      await changed;
      expect(made.status, made.text).toBe(201);
      const row = await liveMigrations.find(server.store.db, textOf(made, '_id'));
      expect(row).toMatchObject({ status: 'FAILED', link_id: null, password_sealed: null });
    });

    test('C1: what would be created while its link-token is removed waits, and is refused', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { linkId } = await linkHost(server);
      const groupId = await makeDestination(server);
      const isHeld = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const removing = node.store.lockingTransaction(async (tx) => {
        await links.findForUpdate(tx, linkId);
        await links.setRemoving(tx, linkId);
        isHeld.resolve();
        await go.promise;
      });
      await isHeld.promise;
      const path = pathOf(groupId);
      const requests = [path, `${path}/validate`].map((each) =>
        server.api.call('POST', each, { body: migrationBody(groupId) }),
      );
      await Promise.race([Promise.all(requests), delay(UNHINDERED_MS)]);
      go.resolve();
      await removing;
      for (const { status, json } of await Promise.all(requests)) {
        expect({ status, json }).toMatchObject({
          status: 409,
          json: { errorCode: 'ORG_LINK_NOT_LINKED' },
        });
      }
      expect(await liveMigrations.listActive(server.store.db, {})).toEqual([]);
    });

    test('I5: what is created while its migration host is removed is given to another one', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { hostId } = await linkHost(server);
      const second = await addHost(server, 'host-2.example.com');
      const groupId = await makeDestination(server);
      const hosts = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link/hosts`;
      const { made, changed } = await during(
        server,
        node,
        'live_migrations',
        pathOf(groupId),
        groupId,
        async () => {
          expect((await node.api.call('DELETE', `${hosts}/${hostId}`)).status).toBe(204);
        },
      );
      await changed;
      expect(made.status, made.text).toBe(201);
      const row = await liveMigrations.find(server.store.db, textOf(made, '_id'));
      expect(row).toMatchObject({ status: 'NEW', host_id: second });
    });

    test('C6: what is validated while its migration host unlinks has failed', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { linkId, hostId } = await linkHost(server);
      const groupId = await makeDestination(server);
      const { store } = node;
      const link = await links.find(store.db, linkId);
      const host = await migrationHosts.find(store.db, hostId);
      const context = { store, sessions: new Sessions(store), announce: () => {} };
      const principal = { link, host, remoteAddress: '127.0.0.1' };
      const path = `${pathOf(groupId)}/validate`;
      const { made, changed } = await during(server, node, 'validations', path, groupId, () =>
        unlinkHost(context as unknown as GatewayContext, principal as HostPrincipal),
      );
      await changed;
      expect(made.status, made.text).toBe(200);
      const { db } = server.store;
      const row = await validations.findInProject(db, groupId, textOf(made, '_id'));
      expect(row).toMatchObject({ status: 'FAILED', password_sealed: null });
    });
  },
);
