import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { backUpStore } from '../../src/backup.ts';
import { initOrganization } from '../../src/init.ts';
import { newId } from '../../src/domain/ids.ts';
import * as events from '../../src/store/events.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import { backUp, BackupError } from '../../src/store/maintenance/backup.ts';
import { restoreStore, storeRestored } from '../../src/store/maintenance/restore.ts';
import { MasterKeyError } from '../../src/store/masterKeySource.ts';
import { openStore, type StoreOptions } from '../../src/store/open.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import type { LiveMigrationRow } from '../../src/store/schema.ts';
import type { Store } from '../../src/store/store.ts';
import { type Credentials, textOf } from '../support/api.ts';
import { TestHost } from '../gateway/push.ts';
import { HOSTNAME, INVENTORY, makeDestination, migrationBody } from '../support/link.ts';
import { startOnStore, type StoreServer } from '../support/storeServer.ts';

let directory: string;
let backup: string;
let options: StoreOptions;
let orgId: string;
let owner: Credentials;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-restore-'));
  backup = join(directory, 'backup.db');
  options = { dataDirectory: join(directory, 'data'), masterKeyFile: null };
  const made = await initOrganization(options, 'Organization');
  orgId = made.organization.id;
  owner = made.apiKey;
});
afterEach(() => rmSync(directory, { recursive: true }));

const start = (): Promise<StoreServer> => startOnStore(options, owner);

/** The disk is lost, and the master key is kept elsewhere. */
function loseStore(): void {
  renameSync(join(options.dataDirectory, 'linkspan.db'), join(directory, 'lost.db'));
}

test('a backup is made while the server works, and is of one moment', async () => {
  {
    await using running = await start();
    const { store } = running;
    const pair = async (count: number): Promise<void> => {
      await store.transaction(async (tx) => {
        for (const half of [1, 2]) {
          const detail = { count, half, filling: 'x'.repeat(4000) };
          await events.record(tx, { type: 'ORG_RENAMED', orgId, actor: null, detail });
        }
      });
    };
    for (let count = 0; count < 300; count++) await pair(count);
    let count = 300;
    let made = false;
    const making = backUpStore(options, backup).finally(() => (made = true));
    while (!made) {
      await pair(count++);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await making).toEqual({ path: backup, byServer: true });
    expect(count).toBeGreaterThan(300);
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    await expect(backUpStore(options, backup)).rejects.toThrow('is there already');
    const path = `/api/atlas/v1.0/orgs/${orgId}`;
    expect((await running.api.call('GET', path)).status).toBe(200);
  }
  loseStore();
  await restoreStore(backup, options);
  await using store = await openStore(options);
  const renamed = (await events.listByOrganization(store.db, orgId)).filter(
    ({ event_type }) => event_type === 'ORG_RENAMED',
  );
  expect(renamed.length).toBeGreaterThanOrEqual(600);
  expect(renamed.length % 2).toBe(0);
});

test('without a server, the command backs the store up by itself', async () => {
  expect(await backUpStore(options, backup)).toEqual({ path: backup, byServer: false });
  const elsewhere = { ...options, dataDirectory: join(directory, 'missing') };
  await expect(backUpStore(elsewhere, join(directory, 'b'))).rejects.toThrow('there is no store');
  const nowhere = join(directory, 'missing', 'b');
  await expect(backUpStore(options, nowhere)).rejects.toThrow('cannot be written (ENOENT)');
});

test('C8: a backup has its name only once it is marked as one, and one that fails leaves nothing', async () => {
  const leftovers = ['.partial', '.partial-journal'].map((end) => backup + end);
  for (const path of leftovers) writeFileSync(path, 'of a command that was killed');
  const before = readdirSync(directory).filter((name) => !name.startsWith('backup.db'));
  // Copied whole, and then it cannot be marked: as where the disk is full by then.
  const unmarkable = new DatabaseSync(':memory:');
  unmarkable.exec('create table other (id integer)');
  const failed = backUp(unmarkable, backup);
  await expect(backUp(unmarkable, backup)).rejects.toThrow('is being made already');
  expect(existsSync(backup)).toBe(false);
  await expect(failed).rejects.toThrow(BackupError);
  await expect(failed).rejects.toThrow(`${backup} cannot be written (no such table: store_facts)`);
  expect(readdirSync(directory)).toEqual(before);
  unmarkable.close();
  await expect(backUp(unmarkable, backup)).rejects.toThrow(BackupError);
  expect(readdirSync(directory)).toEqual(before);
  expect(await backUpStore(options, backup)).toMatchObject({ path: backup });
  expect(readdirSync(directory)).toEqual(['backup.db', ...before]);
  expect(statSync(backup)).toMatchObject({ nlink: 1 });
});

test('C8: a backup is not started on, and is restored only where nothing is in its way', async () => {
  await backUpStore(options, backup);
  await expect(restoreStore(backup, options)).rejects.toThrow('linkspan.db is there already');
  loseStore();
  const log = join(options.dataDirectory, 'linkspan.db-wal');
  writeFileSync(log, 'of a server that was killed');
  await expect(restoreStore(backup, options)).rejects.toThrow('linkspan.db-wal is there already');
  rmSync(log);
  await expect(restoreStore(join(directory, 'none'), options)).rejects.toThrow('there is no file');
  const wrong = join(directory, 'wrong');
  writeFileSync(wrong, '');
  await expect(restoreStore(wrong, options)).rejects.toThrow('is no backup of a store');
  const keyless = { ...options, dataDirectory: join(directory, 'keyless') };
  await expect(restoreStore(backup, keyless)).rejects.toThrow(MasterKeyError);

  copyFileSync(backup, join(options.dataDirectory, 'linkspan.db'));
  await expect(openStore(options)).rejects.toThrow(BackupError);
  await expect(openStore(options)).rejects.toThrow('linkspan store restore');
  expect(await storeRestored(options)).toMatchObject({ suspendedLinks: 0 });
  await (await openStore(options)).close();
});

test('C2, C8: after a restore each migration may have sessions that nobody knows', async () => {
  const tokens = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
  {
    await using running = await start();
    const { api, store } = running;
    const host = new TestHost(() => running.server.url);
    await host.register(textOf(await api.call('POST', tokens, { body: {} }), 'linkToken'));
    await startMigration(running);
    const row = await store.db.selectFrom('live_migrations').selectAll().executeTakeFirstOrThrow();
    const others = [{ status: 'COMPLETE' }, { status: 'FAILED', copied_data: 'DROPPING' }] as const;
    for (const other of others) {
      await liveMigrations.insert(store.db, { ...row, id: newId(), ...other });
    }
    await backUpStore(options, backup);
  }
  loseStore();
  await restoreStore(backup, options);
  await using running = await start();
  const { api, store } = running;
  const rows = await store.db.selectFrom('live_migrations').selectAll().execute();
  const expected = rows
    .filter(({ status }) => status !== 'COMPLETE')
    .map(({ id, link_id, host_id, cluster_id, epoch }) => ({
      migration_id: id,
      link_id,
      host_id,
      cluster_id,
      epoch,
      connection_name: `linkspan-${id}-`,
      structure_under_way: 1,
      lease_until: '',
    }));
  expect(expected).toHaveLength(2);
  const sessions = await pushSessions.listOpen(store.db);
  expect(sessions.map(({ migration_id }) => migration_id).toSorted()).toEqual(
    expected.map(({ migration_id }) => migration_id).toSorted(),
  );
  for (const one of expected) expect(sessions).toContainEqual(expect.objectContaining(one));
  // The destination does not answer.
  const removed = await api.call('DELETE', tokens);
  expect(removed.status).toBe(503);
  expect(JSON.stringify(removed.json)).toContain('target');
});

test('C8: after a restore every epoch has risen, and hosts wait until an owner confirms the link', async () => {
  const link = `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link`;
  const tokens = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
  let url = '';
  const host = new TestHost(() => url);
  let epoch: number;
  {
    await using running = await start();
    url = running.server.url;
    const token = textOf(await running.api.call('POST', tokens, { body: {} }), 'linkToken');
    expect((await host.register(token)).status).toBe(200);
    await startMigration(running);
    epoch = await epochOf(running.store);
    await backUpStore(options, backup);
    // After the backup the link is removed: that is what is not known any more.
    expect((await running.api.call('DELETE', tokens)).status).toBe(204);
    expect((await work(host)).code).toBe('LINK_REFUSED');
  }
  loseStore();
  expect(await restoreStore(backup, options)).toEqual({
    backedUpAt: expect.stringMatching(/^2/),
    suspendedLinks: 1,
  });
  await using running = await start();
  url = running.server.url;
  expect(await epochOf(running.store)).toBe(epoch + 1_000_000);
  expect((await running.api.call('GET', link)).json).toMatchObject({ state: 'SUSPENDED' });
  // Whoever is not known is refused as always.
  expect((await host.register('lslt_other')).code).toBe('LINK_TOKEN_REFUSED');
  expect(await work(host)).toMatchObject({ status: 503, code: 'LINK_SUSPENDED' });

  const confirmed = await running.api.call('POST', `${link}/confirm`);
  expect(confirmed.status).toBe(200);
  expect(confirmed.json).toMatchObject({ state: 'LINKED' });
  expect((await work(host)).status).toBe(200);
  // A second time it changes nothing.
  expect((await running.api.call('POST', `${link}/confirm`)).status).toBe(200);
  const types = (await events.listByOrganization(running.store.db, orgId)).map(
    ({ event_type }) => event_type,
  );
  expect(types.slice(-2)).toEqual([
    'LIVE_MIGRATION_LINK_SUSPENDED',
    'LIVE_MIGRATION_LINK_CONFIRMED',
  ]);
  // As if it were proven that no session is left that was opened since the backup.
  for (const { id } of await pushSessions.listOpen(running.store.db)) {
    await pushSessions.settle(running.store.db, id);
  }
  expect((await running.api.call('DELETE', tokens)).status).toBe(204);
  expect((await running.api.call('POST', `${link}/confirm`)).status).toBe(404);
});

test('C8: after a restore everything is compared, and no number is one that a journal has done with', async () => {
  const tokens = `/api/atlas/v1.0/orgs/${orgId}/liveMigrations/linkTokens`;
  let url = '';
  const host = new TestHost(() => url);
  const set = (store: Store, values: Partial<LiveMigrationRow>) =>
    store.db.updateTable('live_migrations').set(values).execute();
  {
    await using running = await start();
    url = running.server.url;
    const token = textOf(await running.api.call('POST', tokens, { body: {} }), 'linkToken');
    await host.register(token);
    await startMigration(running);
    const { store } = running;
    const attempts = { cutover_attempt: 3, cutover_failed_attempt: 2, repair_attempt: 1 };
    await set(store, { status: 'WORKING', ...attempts });
    // One that has ended stays as it was.
    const ended = await store.db
      .selectFrom('live_migrations')
      .selectAll()
      .executeTakeFirstOrThrow();
    await liveMigrations.insert(store.db, { ...ended, id: newId(), status: 'COMPLETE' });
    await backUpStore(options, backup);
  }
  loseStore();
  await restoreStore(backup, options);
  await using running = await start();
  url = running.server.url;
  const { store } = running;
  const rows = await store.db.selectFrom('live_migrations').selectAll().execute();
  const reason =
    'the server was restored from a backup that was made during the cutover: cut over again';
  expect(rows.find(({ status }) => status === 'WORKING')).toMatchObject({
    cutover_attempt: 1_000_003,
    cutover_failed_attempt: 1_000_003,
    cutover_failure: reason,
    verify_attempt: 1_000_000,
    repair_attempt: 1_000_001,
  });
  expect(rows.find(({ status }) => status === 'COMPLETE')).toMatchObject({
    cutover_attempt: 3,
    cutover_failed_attempt: 2,
    verify_attempt: 0,
    repair_attempt: 1,
  });
  expect(await events.listByOrganization(store.db, orgId)).toContainEqual(
    expect.objectContaining({
      event_type: 'LIVE_MIGRATION_CUTOVER_FAILED',
      detail: JSON.stringify({ clusterName: 'target', cutoverAttempt: 3, reason }),
    }),
  );

  await running.api.call('POST', `/api/linkspan/v1/orgs/${orgId}/liveMigrations/link/confirm`);
  expect((await work(host)).json['work']).toEqual([
    expect.objectContaining({
      cutoverAttempt: 0,
      verifyAttempt: 1_000_000,
      repairAttempt: 1_000_001,
    }),
  ]);
  const working = rows.find(({ status }) => status === 'WORKING')?.id ?? '';
  expect(await liveMigrations.requestCutover(store.db, working)).toBe(1_000_004);
  expect((await work(host)).json['work']).toEqual([
    expect.objectContaining({ cutoverAttempt: 1_000_004 }),
  ]);
});

function work(host: TestHost) {
  return host.post('/work', { knownRevision: null, waitSeconds: 0 });
}

async function startMigration({ api, store }: StoreServer): Promise<void> {
  await store.db
    .updateTable('migration_hosts')
    .set({ hostname: HOSTNAME, inventory: INVENTORY })
    .execute();
  const groupId = await makeDestination({ api, orgId, store });
  const base = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  expect((await api.call('POST', base, { body: migrationBody(groupId) })).status).toBe(201);
}

async function epochOf({ db }: Store): Promise<number> {
  const row = await db.selectFrom('live_migrations').select('epoch').executeTakeFirstOrThrow();
  return row.epoch;
}
