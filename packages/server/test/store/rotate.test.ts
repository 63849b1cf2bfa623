import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runLinkspan } from '@linkspan/testkit/processes.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig } from '../../src/config/config.ts';
import { makeLogger } from '../../src/config/logger.ts';
import { loadStoreOptions } from '../../src/config/storeOptions.ts';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { initOrganization, type InitResult } from '../../src/init.ts';
import { startServer } from '../../src/main.ts';
import * as apiKeys from '../../src/store/apiKeys.ts';
import * as clusters from '../../src/store/clusters.ts';
import { rotateMasterKey } from '../../src/store/maintenance/rotate.ts';
import { storeStatus } from '../../src/store/maintenance/status.ts';
import { openStore, type StoreOptions } from '../../src/store/open.ts';
import { requireOwnKey } from '../../src/store/masterKey.ts';
import * as projects from '../../src/store/projects.ts';
import { SEALED_COLUMNS } from '../../src/store/sealedValues.ts';
import type { Store } from '../../src/store/store.ts';
import type { KillAt } from '../support/killInTransaction.ts';
import { testDatabase, type TestDatabase } from '../support/postgresql.ts';

vi.setConfig({ testTimeout: 120_000 });

const PRELOAD = fileURLToPath(new URL('../support/killInTransaction.ts', import.meta.url));
const URI = 'mongodb://writer:hidden@db.example.com/';

let directory: string;
let keyFile: string;
let database: TestDatabase | null;
let options: StoreOptions;
let made: InitResult;
let clusterId: string;
beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-rotate-'));
  keyFile = join(directory, 'master.key');
  database = await testDatabase();
  options = {
    dataDirectory: directory,
    masterKeyFile: null,
    ...(database === null ? {} : { url: database.url }),
  };
  made = await initOrganization(options, 'Organization');
  clusterId = newId();
  await using store = await openStore(options);
  const project_id = newId();
  await projects.insert(store.db, {
    id: project_id,
    org_id: made.organization.id,
    name: 'P',
    created_at: timestamp(),
    tags: '[]',
    kept: '{}',
  });
  await insertCluster(store, clusterId, project_id);
});
afterEach(async () => {
  await database?.[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

async function insertCluster(store: Store, id: string, project_id: string): Promise<void> {
  await clusters.insert(store.db, {
    id,
    project_id,
    name: id,
    uri_sealed: store.sealer.seal(clusters.uriIdentity(id), URI),
    facts: null,
    created_at: timestamp(),
  });
}

/** Opens what is sealed, as a server does, and tells which key the store is under. */
async function opened(from: StoreOptions = options): Promise<string> {
  await using store = await openStore(from);
  const cluster = await clusters.find(store.db, clusterId);
  if (cluster === undefined) throw new Error('the cluster is gone');
  expect(clusters.openUri(store.sealer, cluster)).toBe(URI);
  const rows = await store.db.selectFrom('api_keys').selectAll().execute();
  for (const row of rows) expect(apiKeys.openHa1(store.sealer, row)).toMatch(/^[0-9a-f]{32}$/);
  return store.sealer.keyId;
}

const NEW_KEY = 'cd'.repeat(32);

/** As whoever runs several nodes does: the embedded store does it by itself. */
function addKey(): void {
  if (database === null) return;
  writeFileSync(keyFile, `${readFileSync(keyFile, 'utf8')}${NEW_KEY}\n`);
}

test('C8: every sealed column of the store is one that a change of the key knows', async () => {
  await using store = await openStore(options);
  const names: string[] = [];
  for (const table of await store.dialect.tables(store.db as never)) {
    const { rows } = await sql<Record<string, unknown>>`
      select * from (select 1 as one) x left join ${sql.table(table)} t on 1 = 1 limit 1`.execute(
      store.db,
    );
    for (const column of Object.keys(rows[0] ?? {})) {
      if (column.endsWith('_sealed')) names.push(`${table}.${column}`);
    }
  }
  const known = SEALED_COLUMNS.map(({ table, column }) => `${table}.${column}`);
  expect(names.toSorted()).toEqual(known.toSorted());
});

test('C8: after a change of the master key every secret opens under the new one alone', async () => {
  const before = await opened();
  const old = readFileSync(keyFile, 'utf8').trim();
  addKey();
  const result = await rotateMasterKey(options);
  expect(result).toMatchObject({ previousMasterKeyId: before, sealedAgain: 2 });
  expect(result.masterKeyId).not.toBe(before);
  expect(await opened()).toBe(result.masterKeyId);
  expect(statSync(keyFile).mode & 0o777).toBe(0o600);
  const status = await storeStatus(options);
  expect(status).toMatchObject({
    masterKeyId: result.masterKeyId,
    sealed: { [result.masterKeyId]: 2 },
  });
  const [first, second] = readFileSync(keyFile, 'utf8').trim().split('\n');
  expect(first).toBe(old);
  writeFileSync(keyFile, `${second}\n`);
  expect(await opened()).toBe(result.masterKeyId);
  // What the old key opens is a backup from before, and nothing of this.
  writeFileSync(keyFile, `${old}\n`);
  await expect(opened()).rejects.toThrow(
    `it needs the one with the id ${result.masterKeyId}, and there is ${before}`,
  );
});

test('C8: a change of the master key that is killed anywhere leaves a store under one of the two', async () => {
  const before = await opened();
  const env = {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    LINKSPAN_TEST_KILL_AT: join(directory, 'kill-at'),
    ...(options.url === undefined ? {} : { LINKSPAN_SERVER_STORE: options.url }),
  };
  const rotate = ['secrets', 'rotate', '--data-dir', directory, '-o', 'json'];
  const run = (killAt: KillAt) => {
    writeFileSync(join(directory, 'kill-at'), JSON.stringify(killAt));
    return runLinkspan(rotate, { env });
  };
  let own = before;
  for (const [index, at] of (
    [1, 2, 3, 'before its commit', 'after its commit'] as const
  ).entries()) {
    // On the shared store the next key has to be there first.
    if (database !== null) {
      writeFileSync(keyFile, `${readFileSync(keyFile, 'utf8')}${`${index}a`.repeat(32)}\n`);
    }
    const killed = await run({ transaction: 1, at });
    expect(killed.code).not.toBe(0);
    const now = await opened();
    const status = await storeStatus(options);
    expect(status).toMatchObject({ masterKeyId: now, sealed: { [now]: 2 } });
    expect({ at, isNew: now !== own }).toEqual({ at, isNew: at === 'after its commit' });
    own = now;
  }
});

test('C8: what a node seals under the key before is opened by the others, and sealed again', async () => {
  writeFileSync(keyFile, `${readFileSync(keyFile, 'utf8')}${NEW_KEY}\n`);
  await using node = database === null ? null : await openStore(options);
  const { masterKeyId, previousMasterKeyId } = await rotateMasterKey(options);
  if (node === null) return;
  // It runs on, and seals as before.
  expect(node.sealer.keyId).toBe(previousMasterKeyId);
  const { project_id } = (await clusters.find(node.db, clusterId)) ?? { project_id: '' };
  const lateId = newId();
  await insertCluster(node, lateId, project_id);
  const moved = await clusters.find(node.db, clusterId);
  if (moved !== undefined) expect(clusters.openUri(node.sealer, moved)).toBe(URI);
  await using next = await openStore(options);
  expect(next.sealer.keyId).toBe(masterKeyId);
  const late = await clusters.find(next.db, lateId);
  if (late !== undefined) expect(clusters.openUri(next.sealer, late)).toBe(URI);
  // Both know what the other signs with.
  expect(next.sealer.deriveKeys('x')).toContainEqual(node.sealer.deriveKeys('x')[0]);
  expect(node.sealer.deriveKeys('x')).toContainEqual(next.sealer.deriveKeys('x')[0]);
  writeFileSync(join(directory, 'new'), NEW_KEY);
  const newAlone = { ...options, masterKeyFile: join(directory, 'new') };
  await expect(openStore(newAlone)).rejects.toThrow(`with the id ${previousMasterKeyId}`);
  expect(await rotateMasterKey(options)).toMatchObject({ masterKeyId, sealedAgain: 1 });
  expect(await opened(newAlone)).toBe(masterKeyId);
});

test('C8: the key is not changed to one that a node which runs does not know, and the answer names that node', async () => {
  if (database === null) return;
  const flags = { dataDir: directory, port: '0' };
  const config = loadConfig(flags, { LINKSPAN_SERVER_STORE: database.url });
  const startNode = () => startServer({ config, log: makeLogger('silent') });
  const before = await opened();
  const one = await startNode();
  addKey();
  await using two = await startNode();
  const refused = await rotateMasterKey(options).catch((error: unknown) => String(error));
  expect(refused).toContain(`not known to the server nodes ${one.url}, which run`);
  expect(refused).not.toContain(two.url);
  expect(await opened()).toBe(before);
  // One that was killed in between is not waited for.
  await one.close();
  await using store = await openStore(options);
  const killed = { id: 'killed', url: 'http://gone', key_ids: '[]', started_at: timestamp() };
  const seen_at = timestamp(new Date(Date.now() - 61_000));
  await store.db
    .insertInto('nodes')
    .values({ ...killed, seen_at })
    .execute();
  // One that is about to start with the old key alone is told that it came too late.
  writeFileSync(join(directory, 'old'), readFileSync(keyFile, 'utf8').split('\n')[0] ?? '');
  await using late = await openStore({ ...options, masterKeyFile: join(directory, 'old') });
  await requireOwnKey(late);
  await using _again = await startNode();
  const { masterKeyId } = await rotateMasterKey(options);
  expect(masterKeyId).not.toBe(before);
  await expect(requireOwnKey(late)).rejects.toThrow(`the master key with the id ${masterKeyId}`);
  expect(await opened()).toBe(masterKeyId);
});

test('the master key comes from a command, or the environment, which then holds it no more', async () => {
  const key = readFileSync(keyFile, 'utf8').trim();
  const id = await opened();
  const flags = { dataDir: directory };
  const store = database === null ? {} : { LINKSPAN_SERVER_STORE: database.url };
  const environment: Record<string, string | undefined> = {
    ...store,
    LINKSPAN_SERVER_MASTER_KEY: key,
  };
  const given = loadStoreOptions(flags, environment);
  expect(environment).toEqual(store);
  rmSync(keyFile);
  expect(await opened(given)).toBe(id);

  const helper = join(directory, 'helper.mjs');
  const from = (script: string): StoreOptions => {
    writeFileSync(helper, script);
    const command = { ...flags, masterKeyCommand: `${process.execPath} ${helper}` };
    return loadStoreOptions(command, { ...store });
  };
  expect(await opened(from(`console.log('${key}')`))).toBe(id);
  const fails = from(`console.log('${key}'); console.error('${key}'); process.exit(3)`);
  const failure = await opened(fails).catch((error: unknown) => error as Error);
  expect(String(failure)).toContain('ended with exit code 3');
  expect(JSON.stringify([String(failure), (failure as Error).cause ?? null])).not.toContain(key);
  await expect(opened(from(`console.log('x'.repeat(1e6))`))).rejects.toThrow('printed too much');
  const absent = { ...given, masterKeyCommand: join(directory, 'none') };
  const { masterKey: _, ...command } = absent;
  await expect(opened(command)).rejects.toThrow('cannot be run (ENOENT)');
  // No shell reads it.
  const shell = { ...command, masterKeyCommand: `echo ${key}; exit 0` };
  await expect(opened(shell)).rejects.toThrow('must hold a master key');
  expect(() =>
    loadStoreOptions({ ...flags, masterKeyFile: keyFile }, { LINKSPAN_SERVER_MASTER_KEY: key }),
  ).toThrow('LINKSPAN_SERVER_MASTER_KEY: not beside --master-key-file');
});

test('an embedded store is not changed while a server has it open', async () => {
  if (database !== null) return;
  await using _store = await openStore(options);
  const rotated = await runLinkspan(['secrets', 'rotate', '--data-dir', directory]);
  expect(rotated).toMatchObject({ code: 1, stdout: '' });
  expect(rotated.stderr).toContain('another process');
  expect(readFileSync(keyFile, 'utf8').trim().split('\n')).toHaveLength(1);
});
