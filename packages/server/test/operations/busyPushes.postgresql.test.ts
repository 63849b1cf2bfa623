import { appendFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { NO_POSTGRESQL } from '@linkspan/testkit/postgresql.ts';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import type { HostPrincipal } from '../../src/gateway/authenticate.ts';
import type { GatewayContext } from '../../src/gateway/context.ts';
import { Sessions } from '../../src/gateway/sessions.ts';
import { unlinkHost } from '../../src/gateway/unlink.ts';
import { WindowExpiry } from '../../src/operations/windowExpiry.ts';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import { rotateMasterKey } from '../../src/store/maintenance/rotate.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as migrationWindows from '../../src/store/migrationWindows.ts';
import { openStore } from '../../src/store/open.ts';
import { countByKey, sealAgain } from '../../src/store/sealedValues.ts';
import { Sealer } from '../../src/store/sealing.ts';
import type { Store } from '../../src/store/store.ts';
import { textOf } from '../support/api.ts';
import { operationContext } from '../support/endpoints.ts';
import { addHost, linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { READY } from '../support/progress.ts';
import { hasPostgreSQL, newDatabase } from '../support/postgresql.ts';
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
    const password_sealed = sealedPassword(server.store, id);
    await liveMigrations.insert(db, { ...first, id, status: 'WORKING', epoch: 1, password_sealed });
    ids.push(id);
  }
  return ids;
}

function sealedPassword({ sealer }: Store, id: string): Uint8Array {
  return sealer.seal(liveMigrations.passwordIdentity(id), 'source-password');
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

    test('every migration whose window is over expires, and is warned of before, however often it reports', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      await linkHost(server);
      const ids = await startMany(server);
      const { db } = server.store;
      const now = Date.now();
      const [warned, ...over] = ids;
      for (const id of ids) await migrationWindows.begin(db, id, timestamp(new Date(now)));
      await using _reports = reportAll(node.store, ids);
      await delay(100);
      const settled: string[] = [];
      const expiry = new WindowExpiry(operationContext(server), (id) => void settled.push(id));
      const { window_hours: hours } = (await liveMigrations.find(db, ids[0]!))!;
      await migrationWindows.setHours(db, warned!, hours + 1);
      await expiry.look(new Date(now + hours * 3_600_000));
      expect(new Set(settled)).toEqual(new Set(over));
      for (const id of over) {
        const row = await liveMigrations.find(db, id);
        expect(row).toMatchObject({ status: 'EXPIRED', password_sealed: null });
      }
      const row = await liveMigrations.find(db, warned!);
      expect(row).toMatchObject({ status: 'WORKING', window_warned_hours: 1 });
      const told = (await events.listByOrganization(db, server.orgId)).filter(
        ({ event_type: type }) => type === 'LIVE_MIGRATION_EXPIRED',
      );
      expect(told).toHaveLength(over.length);
    });

    test('C8: the master key is changed however many migrations report meanwhile', async () => {
      await using database = await newDatabase();
      await using server = await startTestServer({}, database.url);
      appendFileSync(join(server.dataDirectory, 'master.key'), `${'cd'.repeat(32)}\n`);
      await server.restart();
      await using node = await server.node();
      await linkHost(server);
      const ids = await startMany(server);
      const options = {
        dataDirectory: server.dataDirectory,
        masterKeyFile: null,
        url: database.url,
      };
      await using _reports = reportAll(node.store, ids);
      await delay(100);
      const { masterKeyId, previousMasterKeyId } = await rotateMasterKey(options);
      expect(masterKeyId).not.toBe(previousMasterKeyId);
      await using store = await openStore(options);
      const row = await liveMigrations.find(store.db, ids[0]!);
      expect(liveMigrations.openPassword(store.sealer, row!)).toBe('source-password');
      expect([...(await countByKey(store.db)).keys()]).toEqual([masterKeyId]);
    });

    test('C8: a password that is erased while the master key is changed does not come back', async () => {
      await using server = await startTestServer();
      await using node = await server.node();
      await linkHost(server);
      const [ended, ...others] = await startMany(server);
      const rows = server.store.db.selectFrom('live_migrations').select(['id', 'password_sealed']);
      const isErased = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const erasing = server.store.lockingTransaction(async (tx) => {
        const erased = { password_sealed: null };
        await tx.updateTable('live_migrations').set(erased).where('id', '=', ended!).execute();
        isErased.resolve();
        await go.promise;
      });
      await isErased.promise;
      const [old] = readFileSync(join(server.dataDirectory, 'master.key'), 'utf8').split('\n');
      const sealer = new Sealer(Buffer.alloc(32, 0xcd), [Buffer.from(old!, 'hex')]);
      const before = [...(await countByKey(node.store.db)).values()];
      const sealing = node.store.lockingTransaction((tx) => sealAgain(tx, sealer));
      await expect
        .poll(async () => {
          const { rows: waiting } = await sql`select 1 from pg_locks l join pg_stat_activity a
            using (pid) where not granted and query like 'update "live_migrations"%'`.execute(
            node.store.db,
          );
          return waiting.length;
        })
        .toBeGreaterThan(0);
      go.resolve();
      await erasing;
      expect([await sealing]).toEqual(before.map((count) => count - 1));
      for (const { id, password_sealed: sealed } of await rows.execute()) {
        expect({ id, isThere: sealed !== null }).toEqual({ id, isThere: others.includes(id) });
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
