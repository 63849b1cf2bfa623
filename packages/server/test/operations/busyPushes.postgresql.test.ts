import { setTimeout as delay } from 'node:timers/promises';
import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import type { HostPrincipal } from '../../src/gateway/authenticate.ts';
import type { GatewayContext } from '../../src/gateway/context.ts';
import { Sessions } from '../../src/gateway/sessions.ts';
import { unlinkHost } from '../../src/gateway/unlink.ts';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import type { Store } from '../../src/store/store.ts';
import { textOf } from '../support/api.ts';
import { addHost, linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { READY } from '../support/progress.ts';
import { hasPostgreSQL } from '../support/postgresql.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const MIGRATIONS = 30;

/** Many running migrations of one host. @returns their ids */
async function startMany(server: TestServer): Promise<string[]> {
  const groupId = await makeDestination(server);
  const { db } = server.store;
  const path = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  const made = await server.api.call('POST', path, { body: migrationBody(groupId) });
  const first = await liveMigrations.find(db, textOf(made, '_id'));
  if (first === undefined) throw new Error(made.text);
  await liveMigrations.nextEpoch(db, first.id);
  const ids = [first.id];
  while (ids.length < MIGRATIONS) {
    const id = newId();
    await liveMigrations.insert(db, { ...first, id, status: 'WORKING', epoch: 1 });
    ids.push(id);
  }
  return ids;
}

/** Reports of every migration, each some milliseconds after the last one, through another node's connections. */
function reportAll({ db }: Store, ids: readonly string[]): AsyncDisposable {
  let isOver = false;
  const reports = ids.map(async (id) => {
    while (!isOver) {
      await liveMigrations.setProgress(db, id, 1, JSON.stringify(READY), timestamp());
      await delay(5);
    }
  });
  return {
    async [Symbol.asyncDispose]() {
      isOver = true;
      await Promise.all(reports);
    },
  };
}

describe.skipIf(!hasPostgreSQL)(
  hasPostgreSQL
    ? 'while every migration reports'
    : `while every migration reports: ${NO_POSTGRESQL}`,
  () => {
    test('I1, C1: a link-token is removed however many of its migrations report meanwhile', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { linkId } = await linkHost(server);
      const ids = await startMany(server);
      await using _reports = reportAll(node.store, ids);
      await delay(100);
      const path = `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/linkTokens`;
      const removed = await server.api.call('DELETE', path);
      expect(removed.status, removed.text).toBe(204);
      const { db } = server.store;
      expect(await links.find(db, linkId)).toBeUndefined();
      for (const id of ids) {
        const row = await liveMigrations.find(db, id);
        expect(row).toMatchObject({ status: 'FAILED', link_id: null, password_sealed: null });
      }
      const failed = (await events.listByOrganization(db, server.orgId)).filter(
        ({ event_type: type }) => type === 'LIVE_MIGRATION_FAILED',
      );
      expect(failed).toHaveLength(ids.length);
      expect(new Set(failed.map(({ target_id: id }) => id))).toEqual(new Set(ids));
    });

    test('I5: a migration host is removed however many of its migrations report meanwhile', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { hostId } = await linkHost(server);
      const ids = await startMany(server);
      const second = await addHost(server, 'host-2.example.com');
      await using _reports = reportAll(node.store, ids);
      await delay(100);
      const path = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link/hosts/${hostId}`;
      const removed = await server.api.call('DELETE', path);
      expect(removed.status, removed.text).toBe(204);
      const { db } = server.store;
      expect(await migrationHosts.find(db, hostId)).toBeUndefined();
      for (const id of ids) {
        const row = await liveMigrations.find(db, id);
        expect(row).toMatchObject({ status: 'WORKING', host_id: second, epoch: 2 });
        expect(JSON.parse(row?.progress ?? '')).toMatchObject({ readyForCutover: false });
      }
    });

    test('C6: a migration host unlinks however many of its migrations report meanwhile', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { linkId, hostId } = await linkHost(server);
      const ids = await startMany(server);
      for (const id of ids) await liveMigrations.requestCutover(server.store.db, id);
      await using _reports = reportAll(node.store, ids);
      await delay(100);
      const { store } = server;
      const link = await links.find(store.db, linkId);
      const host = await migrationHosts.find(store.db, hostId);
      const context = { store, sessions: new Sessions(store), announce: () => {} };
      const principal = { link, host, remoteAddress: '127.0.0.1' };
      await unlinkHost(context as unknown as GatewayContext, principal as HostPrincipal);
      expect((await migrationHosts.find(store.db, hostId))?.unlinked_at).not.toBeNull();
      for (const id of ids) {
        const row = await liveMigrations.find(store.db, id);
        expect(row).toMatchObject({ status: 'WORKING', cutover_failed_attempt: 1 });
      }
    });

    test('C1: who waits for a change of the hosts of a link, and saw them before it, sees them anew', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      const { linkId, hostId } = await linkHost(server);
      const holds = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const change = server.store.lockingTransaction(async (tx) => {
        await links.hold(tx, { id: linkId });
        holds.resolve();
        await go.promise;
        await migrationHosts.setUnlinked(tx, hostId, timestamp());
      });
      await holds.promise;
      const sawBefore = Promise.withResolvers<void>();
      let runs = 0;
      const reader = node.store.transaction(async (tx) => {
        runs += 1;
        await migrationHosts.find(tx, hostId);
        sawBefore.resolve();
        await links.findForUpdate(tx, linkId);
        return (await migrationHosts.find(tx, hostId))?.unlinked_at;
      });
      await sawBefore.promise;
      go.resolve();
      await change;
      expect(await reader).not.toBeNull();
      expect(runs).toBe(2);
    });
  },
);
