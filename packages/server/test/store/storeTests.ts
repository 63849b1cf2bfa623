import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { newClientId } from '../../src/domain/serviceAccount.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as accessTokens from '../../src/store/accessTokens.ts';
import * as apiKeys from '../../src/store/apiKeys.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as migrationNamespaces from '../../src/store/migrationNamespaces.ts';
import * as migrationVerifications from '../../src/store/migrationVerifications.ts';
import * as nonceUses from '../../src/store/nonceUses.ts';
import * as organizations from '../../src/store/organizations.ts';
import * as projects from '../../src/store/projects.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import * as rateLimitBuckets from '../../src/store/rateLimitBuckets.ts';
import type { LiveMigrationRow } from '../../src/store/schema.ts';
import * as serviceAccountAccessList from '../../src/store/serviceAccountAccessList.ts';
import * as serviceAccounts from '../../src/store/serviceAccounts.ts';
import * as serviceAccountSecrets from '../../src/store/serviceAccountSecrets.ts';
import type { Store } from '../../src/store/store.ts';

/** What every kind of store has to do, whatever keeps its tables. */
export function registerStoreTests(kind: string, open: () => Promise<Store>): void {
  describe(`store on ${kind}`, () => {
    let store: Store;
    let orgId: string;
    let projectId: string;
    let clusterId: string;
    let linkId: string;
    const hostId = newId();
    beforeEach(async () => {
      store = await open();
      [orgId, projectId, clusterId, linkId] = [newId(), newId(), newId(), newId()];
      const created_at = timestamp();
      await store.transaction(async (tx) => {
        await organizations.insert(tx, {
          id: orgId,
          name: 'Org',
          created_at,
          settings: '{}',
          kept: '{}',
        });
        await projects.insert(tx, {
          id: projectId,
          org_id: orgId,
          name: 'Project',
          created_at,
          tags: '[]',
          kept: '{}',
        });
        await clusters.insert(tx, {
          id: clusterId,
          project_id: projectId,
          name: 'target',
          uri_sealed: store.sealer.seal(clusters.uriIdentity(clusterId), 'mongodb://h/'),
          facts: null,
          created_at,
        });
        await links.insert(tx, {
          id: linkId,
          org_id: orgId,
          api_key_id: newId(),
          state: 'PENDING',
          token_hash: Buffer.from(linkId),
          token_expires_at: created_at,
          token_host_id: null,
          access_list: '[]',
          created_at,
          suspended_at: null,
        });
      });
    });
    afterEach(() => store.close());

    async function insertMigration(change: Partial<LiveMigrationRow> = {}): Promise<string> {
      const id = newId();
      await liveMigrations.insert(store.db, {
        ...liveMigrations.NEW_LIVE_MIGRATION,
        id,
        project_id: projectId,
        link_id: linkId,
        host_id: hostId,
        hostname: 'host',
        cluster_id: clusterId,
        source: '{}',
        password_sealed: store.sealer.seal(liveMigrations.passwordIdentity(id), 'secret'),
        drop_destination_data: 0,
        created_at: timestamp(),
        namespaces: null,
        throttle: null,
        block_source_writes: 0,
        cutover_verification: 'CHANGED',
        window_hours: 120,
        ...change,
      });
      return id;
    }

    test('a transaction that throws leaves nothing, its events included', async () => {
      const failing = store.transaction(async (tx) => {
        await organizations.update(tx, orgId, { name: 'Other' });
        await events.record(tx, { type: 'ORG_RENAMED', orgId, actor: null });
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      expect((await organizations.find(store.db, orgId))?.name).toBe('Org');
      expect(await events.listByOrganization(store.db, orgId)).toEqual([]);
    });

    test('no other statement slips into an open transaction', async () => {
      const inside = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const open_ = store.transaction(async (tx) => {
        await organizations.update(tx, orgId, { name: 'Uncommitted' });
        inside.resolve();
        await go.promise;
        throw new Error('rolled back');
      });
      await inside.promise;
      const read = organizations.find(store.db, orgId);
      const write = store.transaction((tx) => organizations.update(tx, orgId, { name: 'Second' }));
      go.resolve();
      await expect(open_).rejects.toThrow('rolled back');
      expect((await read)?.name).not.toBe('Uncommitted');
      await write;
      expect((await organizations.find(store.db, orgId))?.name).toBe('Second');
    });

    test('the store refuses to be used beside its own transaction', async () => {
      const misuse = store.transaction(async () => organizations.find(store.db, orgId));
      await expect(misuse).rejects.toThrow('pass the transaction on');
    });

    test('a name is taken once', async () => {
      const twice = projects.insert(store.db, {
        id: newId(),
        org_id: orgId,
        tags: '[]',
        kept: '{}',
        name: 'Project',
        created_at: timestamp(),
      });
      await expect(twice).rejects.toThrow();
    });

    test('C5: of two hosts that present a token, one uses it up', async () => {
      const [first, second] = [newId(), newId()];
      const taken = await Promise.all(
        [first, second].map((id) => links.useToken(store.db, linkId, id)),
      );
      expect(taken.filter((used) => used)).toHaveLength(1);
      expect(await links.find(store.db, linkId)).toMatchObject({
        state: 'LINKED',
        token_host_id: taken[0] === true ? first : second,
      });
    });

    test('C1: a link becomes REMOVING once, takes no host then, and ends only from there', async () => {
      const id = await insertMigration();
      expect(await links.removeRemoving(store.db, linkId)).toBe(false);
      expect(await links.setRemoving(store.db, linkId)).toBe(true);
      expect(await links.setRemoving(store.db, linkId)).toBe(false);
      expect(await links.useToken(store.db, linkId, hostId)).toBe(false);
      await migrationHosts.insert(store.db, {
        id: hostId,
        link_id: linkId,
        hostname: 'host',
        secret_hash: Buffer.alloc(32),
        agent_version: '0.1.0',
        inventory: '[]',
        registered_at: timestamp(),
        heartbeat_at: timestamp(),
        unlinked_at: null,
        removing_at: null,
      });
      expect(await links.listByState(store.db, 'REMOVING')).toHaveLength(1);
      expect(await store.transaction((tx) => links.removeRemoving(tx, linkId))).toBe(true);
      expect(await links.removeRemoving(store.db, linkId)).toBe(false);
      expect(await migrationHosts.find(store.db, hostId)).toBeUndefined();
      expect((await liveMigrations.find(store.db, id))?.link_id).toBeNull();
    });

    test('I5: epochs rise by one, start the migration, and are not given out after its end', async () => {
      const id = await insertMigration();
      const epochs = await Promise.all([1, 2, 3].map(() => liveMigrations.nextEpoch(store.db, id)));
      expect(new Set(epochs)).toEqual(new Set([1, 2, 3]));
      expect(await liveMigrations.find(store.db, id)).toMatchObject({
        status: 'WORKING',
        epoch: 3,
      });
      expect(await liveMigrations.setProgress(store.db, id, 2, '{}', timestamp())).toBe(false);
      expect(await liveMigrations.setProgress(store.db, id, 3, '{}', timestamp())).toBe(true);
      expect(await liveMigrations.setEnded(store.db, id, 'FAILED', 'because', timestamp())).toBe(
        true,
      );
      expect(await liveMigrations.setEnded(store.db, id, 'FAILED', 'again', timestamp())).toBe(
        false,
      );
      expect(await liveMigrations.nextEpoch(store.db, id)).toBeNull();
      expect(await liveMigrations.setProgress(store.db, id, 3, '{}', timestamp())).toBe(false);
      expect(await liveMigrations.find(store.db, id)).toMatchObject({
        failure_reason: 'because',
        password_sealed: null,
      });
      expect(await liveMigrations.listActive(store.db, { cluster_id: clusterId })).toEqual([]);
    });

    test('a cutover is asked for once at a time, and only its own attempt ends it', async () => {
      const id = await insertMigration();
      const { db } = store;
      expect(await liveMigrations.requestCutover(db, id)).toBeNull();
      await liveMigrations.nextEpoch(db, id);
      expect(await liveMigrations.requestCutover(db, id)).toBe(1);
      expect(await liveMigrations.requestCutover(db, id)).toBeNull();
      expect(await liveMigrations.setCutoverFailed(db, id, 2, 'x')).toBe(false);
      expect(await liveMigrations.setCutoverFailed(db, id, 1, 'x')).toBe(true);
      expect(await liveMigrations.setCutoverFailed(db, id, 1, 'x')).toBe(false);
      expect(await liveMigrations.setComplete(db, id, 1, '{}', timestamp())).toBe(false);
      expect(await liveMigrations.requestCutover(db, id)).toBe(2);
      expect(await liveMigrations.find(db, id)).toMatchObject({ cutover_failure: null });
      expect(await liveMigrations.setComplete(db, id, 2, '{}', timestamp())).toBe(true);
      expect(await liveMigrations.setComplete(db, id, 2, '{}', timestamp())).toBe(false);
    });

    test('C1: a pause and a cutover shut each other out', async () => {
      const id = await insertMigration();
      const { db } = store;
      await liveMigrations.nextEpoch(db, id);
      expect(await liveMigrations.setPaused(db, id, timestamp())).toBe(true);
      expect(await liveMigrations.setPaused(db, id, timestamp())).toBe(false);
      expect(await liveMigrations.requestCutover(db, id)).toBeNull();
      expect(await liveMigrations.setResumed(db, id)).toBe(true);
      expect(await liveMigrations.setResumed(db, id)).toBe(false);
      expect(await liveMigrations.requestCutover(db, id)).toBe(1);
      expect(await liveMigrations.setPaused(db, id, timestamp())).toBe(false);
    });

    test('C10: of requests at once, a bucket lets in as many as it holds', async () => {
      const { db, dialect } = store;
      const bucket = { name: 'set/owner', capacity: 5, perSecond: 0.001 };
      const take = () => rateLimitBuckets.take(db, dialect, bucket);
      const taken = await Promise.all(Array.from({ length: 12 }, take));
      expect(taken.filter(({ allowed }) => allowed)).toHaveLength(5);
      expect(await take()).toMatchObject({ allowed: false, tokens: expect.closeTo(0, 1) });
      const other = await rateLimitBuckets.take(db, dialect, { ...bucket, name: 'set/other' });
      expect(other).toEqual({ allowed: true, tokens: 4 });
      const quick = { ...bucket, perSecond: 1_000_000 };
      await rateLimitBuckets.take(db, dialect, quick);
      // Clocks tell milliseconds at best: the first one to come may be in the same.
      await expect
        .poll(() => rateLimitBuckets.take(db, dialect, quick), { interval: 5 })
        .toEqual({ allowed: true, tokens: 4 });
      await rateLimitBuckets.removeUnused(db, dialect, -1);
      expect(await take()).toEqual({ allowed: true, tokens: 4 });
    });

    test('C7: a count of a nonce is used once, until it is of no use', async () => {
      const { db, dialect } = store;
      const use = (count: number, lifeMs = 60_000) =>
        nonceUses.add(db, dialect, { nonce: 'nonce', count, lifeMs });
      const used = await Promise.all([use(1), use(1), use(2), use(3, -1000)]);
      expect(used.filter((first) => first)).toHaveLength(3);
      await nonceUses.removeExpired(db, dialect);
      expect(await Promise.all([use(1), use(2), use(3)])).toEqual([false, false, true]);
    });

    test('C14: the clock of the database goes on within a transaction, in the form of all times', async () => {
      const before = await store.now();
      await store.transaction(async (tx) => {
        const first = await store.now(tx);
        expect(first).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        expect(first >= before).toBe(true);
        let later = first;
        while (later === first) later = await store.now(tx);
        expect(later > first).toBe(true);
        const { rows } = await sql<{
          ahead: string;
        }>`select ${store.dialect.clock(60_000)} as ahead`.execute(tx);
        const ahead = Date.parse(rows[0]?.ahead ?? '') - Date.parse(later);
        expect(ahead).toBeGreaterThanOrEqual(60_000);
        expect(ahead).toBeLessThan(70_000);
      });
    });

    test('signals come once the transaction has committed, and not if it has not', async () => {
      const seen: string[] = [];
      using _listening = store.signals.on('topic', (key) => void seen.push(key));
      await store.signals.listening();
      const failing = store.transaction(async (tx) => {
        await store.signals.send(tx, 'topic', 'rolled back');
        throw new Error('changed my mind');
      });
      await expect(failing).rejects.toThrow('changed my mind');
      await store.transaction(async (tx) => {
        await store.signals.send(tx, 'other topic', 'not listened for');
        await store.signals.send(tx, 'topic', 'committed key');
      });
      await eventually(() => expect(seen).toContain('committed key'));
      expect(seen).toEqual(['committed key']);
    });

    test('active migrations are found by host, link, cluster, project and organization', async () => {
      const id = await insertMigration();
      await insertMigration({ status: 'COMPLETE' });
      const { db } = store;
      for (const of of [
        { host_id: hostId },
        { link_id: linkId },
        { cluster_id: clusterId },
        { project_id: projectId },
      ]) {
        const found = await liveMigrations.listActive(db, of);
        expect(found.map((row) => row.id)).toEqual([id]);
      }
      expect(await liveMigrations.listActiveOfOrganization(db, orgId)).toHaveLength(1);
      expect(await liveMigrations.listActiveOfOrganization(db, newId())).toEqual([]);
      expect(await liveMigrations.findInProject(db, newId(), id)).toBeUndefined();
      expect(await liveMigrations.findOfHost(db, newId(), id)).toBeUndefined();
    });

    test('D11: the largest number that a message may have is kept as it is', async () => {
      const id = await insertMigration();
      const number = Number.MAX_SAFE_INTEGER;
      await liveMigrations.setLastStructure(store.db, id, { epoch: 1, number });
      expect(await migrationVerifications.noteLosses(store.db, id, number)).toBe(true);
      expect(await liveMigrations.find(store.db, id)).toMatchObject({
        structure_number: number,
        history_losses: number,
      });
    });

    test('I5: what is recorded of a namespace waits for an opening under way, and is late after it', async () => {
      const id = await insertMigration();
      const row = { migration_id: id, db: 'a', coll: 'b', was_there: 1 };
      await migrationNamespaces.add(store.db, row, 0);
      const raised = Promise.withResolvers<void>();
      const go = Promise.withResolvers<void>();
      const opening = store.transaction(async (tx) => {
        await liveMigrations.nextEpoch(tx, id, hostId);
        raised.resolve();
        await go.promise;
      });
      await raised.promise;
      const late = [
        migrationNamespaces.remove(store.db, row, 0),
        migrationNamespaces.add(store.db, { ...row, was_there: 0 }, 0),
      ];
      await delay(200);
      go.resolve();
      await opening;
      await Promise.all(late);
      expect(await migrationNamespaces.list(store.db, id)).toEqual([row]);
    });

    test('namespaces are recorded once, sessions settle once', async () => {
      const id = await insertMigration();
      const { db } = store;
      const row = { migration_id: id, db: 'a', coll: 'b', was_there: 1 };
      expect(await migrationNamespaces.add(db, row, 0)).toBe(true);
      expect(await migrationNamespaces.add(db, row, 0)).toBe(true);
      expect(await migrationNamespaces.list(db, id)).toEqual([row]);
      await migrationNamespaces.add(db, { ...row, was_there: 0 }, 0);
      expect(await migrationNamespaces.list(db, id)).toEqual([{ ...row, was_there: 0 }]);
      await liveMigrations.nextEpoch(db, id, hostId);
      // I5: what comes late for an earlier session changes nothing.
      expect(await migrationNamespaces.add(db, row, 0)).toBe(false);
      expect(await migrationNamespaces.add(db, { ...row, coll: 'late' }, 0)).toBe(false);
      await migrationNamespaces.remove(db, row, 0);
      expect(await migrationNamespaces.list(db, id)).toEqual([{ ...row, was_there: 0 }]);
      await migrationNamespaces.remove(db, row, 1);
      expect(await migrationNamespaces.has(db, row)).toBe(false);
      const sessionId = newId();
      await pushSessions.insert(db, {
        id: sessionId,
        migration_id: id,
        link_id: linkId,
        cluster_id: clusterId,
        epoch: 1,
        secret_hash: Buffer.alloc(32),
        state: 'OPEN',
        connection_name: 'linkspan',
        opened_at: timestamp(),
      });
      expect(await pushSessions.listOpen(db, { link_id: linkId })).toHaveLength(1);
      expect(await pushSessions.settle(db, sessionId)).toBe(true);
      expect(await pushSessions.settle(db, sessionId)).toBe(false);
      expect(await pushSessions.listOpen(db)).toEqual([]);
      // C14: a lease is renewed while it lasts, ends once, and never comes back.
      const { dialect } = store;
      const heldId = newId();
      const lease = { dialect, nodeId: 'node', termMs: 60_000 };
      await pushSessions.insert(
        db,
        {
          id: heldId,
          migration_id: id,
          link_id: linkId,
          cluster_id: clusterId,
          epoch: 2,
          secret_hash: Buffer.alloc(32),
          state: 'OPEN',
          connection_name: 'linkspan',
          opened_at: timestamp(),
        },
        lease,
      );
      const renewed = (nodeId: string, termMs = 60_000) =>
        pushSessions.renew(db, dialect, { nodeId, ids: [heldId], termMs });
      expect(await pushSessions.endLease(db, dialect, heldId)).toMatchObject({ holding: 'HELD' });
      expect(await pushSessions.findHolder(db, dialect, heldId)).toMatchObject({ nodeId: 'node' });
      expect(await pushSessions.listHeld(db, dialect, 'node')).toMatchObject([{ id: heldId }]);
      expect(await renewed('another')).toEqual([]);
      expect(await renewed('node', -1)).toEqual([heldId]);
      expect(await renewed('node')).toEqual([]);
      expect(await pushSessions.endLease(db, dialect, heldId)).toMatchObject({ holding: 'LEFT' });
      expect(await pushSessions.findHolder(db, dialect, heldId)).toBeUndefined();
      await pushSessions.settle(db, heldId);
      expect(await pushSessions.endLease(db, dialect, heldId)).toMatchObject({
        holding: 'SETTLED',
      });
      await liveMigrations.setEnded(db, id, 'FAILED', 'x', timestamp());
      await store.transaction(async (tx) => {
        await clusters.remove(tx, clusterId);
        await projects.remove(tx, projectId);
      });
      expect(await liveMigrations.find(db, id)).toBeUndefined();
    });

    test('a removed service account takes roles, secrets, access list and tokens along', async () => {
      const { db } = store;
      const clientId = newClientId();
      const created_at = '2026-01-01T00:00:00.000Z';
      const expires_at = '2026-02-01T00:00:00.000Z';
      await serviceAccounts.insert(db, {
        client_id: clientId,
        org_id: orgId,
        name: 'Client',
        description: 'A test',
        created_at,
      });
      await serviceAccounts.setOrganizationRoles(db, clientId, orgId, ['ORG_OWNER', 'ORG_OWNER']);
      await serviceAccounts.setProjectRoles(db, clientId, projectId, ['GROUP_OWNER']);
      await serviceAccountAccessList.add(db, { client_id: clientId, cidr: '::1/128', created_at });
      const [first, second] = [newId(), newId()];
      for (const id of [first, second]) {
        await serviceAccountSecrets.insert(db, {
          id,
          client_id: clientId,
          secret_hash: Buffer.alloc(32),
          secret_suffix: 'abcd',
          created_at,
          expires_at,
          last_used_at: null,
        });
        await accessTokens.insert(db, {
          id: `token of ${id}`,
          client_id: clientId,
          secret_id: id,
          issued_at: created_at,
          expires_at,
        });
      }
      const usable = (at: string) => serviceAccounts.listUsableWithRole(db, orgId, 'ORG_OWNER', at);
      expect(await usable(created_at)).toEqual([clientId]);
      expect(await usable(expires_at)).toEqual([]);
      expect(await accessTokens.countLive(db, clientId, created_at)).toBe(2);
      expect(await accessTokens.countLive(db, clientId, expires_at)).toBe(0);
      expect(await serviceAccountSecrets.remove(db, newClientId(), first)).toBe(false);
      expect(await serviceAccountSecrets.remove(db, clientId, first)).toBe(true);
      const left = await accessTokens.findLive(db, `token of ${second}`, created_at);
      expect(left).toMatchObject({ client_id: clientId });
      expect(await accessTokens.findLive(db, `token of ${first}`, created_at)).toBeUndefined();
      expect(await serviceAccounts.remove(db, clientId)).toBe(true);
      expect(await serviceAccounts.remove(db, clientId)).toBe(false);
      expect(await serviceAccounts.roles(db, clientId)).toEqual([]);
      expect(await serviceAccountSecrets.list(db, clientId)).toEqual([]);
      expect(await serviceAccountAccessList.list(db, clientId)).toEqual([]);
      expect(await accessTokens.findLive(db, `token of ${second}`, created_at)).toBeUndefined();
    });

    test('a removed key takes its roles and access list along', async () => {
      const id = newId();
      const { db } = store;
      await apiKeys.insert(db, {
        id,
        org_id: orgId,
        public_key: 'abcdefgh',
        ha1_sealed: store.sealer.seal(apiKeys.ha1Identity(id), 'ha1'),
        private_key_suffix: 'x',
        description: 'x',
        link_id: null,
        created_at: timestamp(),
      });
      await apiKeys.setOrganizationRoles(db, id, orgId, ['ORG_MEMBER', 'ORG_MEMBER']);
      await apiKeys.setProjectRoles(db, id, projectId, ['GROUP_OWNER']);
      const entry = { api_key_id: id, cidr: '192.0.2.1/32', created_at: timestamp() };
      await apiKeys.addAccessListEntry(db, entry);
      await apiKeys.addAccessListEntry(db, entry);
      expect(await apiKeys.accessList(db, id)).toHaveLength(1);
      expect(await apiKeys.roles(db, id)).toEqual([
        { org_id: orgId, project_id: null, role: 'ORG_MEMBER' },
        { org_id: null, project_id: projectId, role: 'GROUP_OWNER' },
      ]);
      expect(await apiKeys.remove(db, id)).toBe(true);
      expect(await apiKeys.roles(db, id)).toEqual([]);
      expect(await apiKeys.accessList(db, id)).toEqual([]);
    });
  });
}
