import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigurationError } from '@linkspan/contract/options/declare.ts';
import { sql } from 'kysely';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { InitError, initOrganization } from '../../src/init.ts';
import { MasterKeyError } from '../../src/store/masterKeySource.ts';
import { StoreTooNewError } from '../../src/store/migrate.ts';
import { openStore } from '../../src/store/open.ts';
import { SealError } from '../../src/store/sealing.ts';
import { StoreLockedError } from '../../src/store/store.ts';
import { registerStoreTests } from './storeTests.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'linkspan-store-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const options = () => ({ dataDirectory: directory, masterKeyFile: null });

registerStoreTests('SQLite', () => openStore(options()));

test('C14: a second process on the same store is told so, until the first is done', async () => {
  const first = await openStore(options());
  await expect(openStore(options())).rejects.toThrow(StoreLockedError);
  await first.close();
  await (await openStore(options())).close();
});

test('the store is for its user alone, also in a directory that others may read', async () => {
  chmodSync(directory, 0o755);
  const path = join(directory, 'linkspan.db');
  const modes = () => [path, `${path}-wal`].map((file) => statSync(file).mode & 0o777);
  const first = await openStore(options());
  expect(modes()).toEqual([0o600, 0o600]);
  await first.close();
  chmodSync(path, 0o644);
  await using _again = await openStore(options());
  expect(modes()).toEqual([0o600, 0o600]);
});

test('a data directory that cannot be used, and a file that is no store, are named', async () => {
  const file = join(directory, 'file');
  writeFileSync(file, 'no directory');
  const dataDirectory = join(file, 'data');
  await expect(openStore({ ...options(), dataDirectory })).rejects.toThrow(
    `the data directory ${dataDirectory} cannot be used (ENOTDIR)`,
  );
  const path = join(directory, 'linkspan.db');
  writeFileSync(path, 'no store'.repeat(1000));
  await expect(openStore(options())).rejects.toThrow(
    `cannot open the store ${path}: file is not a database`,
  );
});

test('C14: a commit is on the disk, foreign keys hold', async () => {
  await using store = await openStore(options());
  const { rows } = await sql`select
    (select synchronous from pragma_synchronous) as synchronous,
    (select journal_mode from pragma_journal_mode) as journal_mode,
    (select foreign_keys from pragma_foreign_keys) as foreign_keys`.execute(store.db);
  expect(rows).toMatchObject([{ synchronous: 2, journal_mode: 'wal', foreign_keys: 1 }]);
});

test('C15: a store of a newer server is refused and left as it is', async () => {
  await (await openStore(options())).close();
  const path = join(directory, 'linkspan.db');
  const database = new DatabaseSync(path);
  database.exec("insert into schema_migrations values (99, '0099-future', 'x')");
  database.close();
  await expect(openStore(options())).rejects.toThrow(StoreTooNewError);
  await expect(openStore(options())).rejects.toThrow('start a newer server');
});

test('C8: the master key is made once, for its owner alone, and never where something is sealed', async () => {
  await initOrganization(options(), 'First');
  const path = join(directory, 'master.key');
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const key = readFileSync(path, 'utf8');
  await (await openStore(options())).close();
  expect(readFileSync(path, 'utf8')).toBe(key);
  rmSync(path);
  await expect(openStore(options())).rejects.toThrow(MasterKeyError);
  expect(existsSync(path)).toBe(false);
  const elsewhere = join(directory, 'elsewhere.key');
  const named = { ...options(), masterKeyFile: elsewhere };
  await expect(openStore(named)).rejects.toThrow('does not exist');
  writeFileSync(elsewhere, 'too short');
  await expect(openStore(named)).rejects.toThrow('32 bytes in hex or base64');
  writeFileSync(elsewhere, Buffer.from(key.trim(), 'hex').toString('base64'));
  await (await openStore(named)).close();
  writeFileSync(elsewhere, 'ab'.repeat(32));
  await expect(openStore(named)).rejects.toThrow(MasterKeyError);
  await expect(openStore(named)).rejects.toThrow(`another master key than that in ${elsewhere}`);
});

test('C8: a sealed value opens only for its own row and under its own key', async () => {
  await using store = await openStore(options());
  const sealed = store.sealer.seal('clusters.uri/1', 'mongodb://u:p@h/');
  expect(sealed.includes('mongodb')).toBe(false);
  expect(store.sealer.open('clusters.uri/1', sealed)).toBe('mongodb://u:p@h/');
  expect(() => store.sealer.open('clusters.uri/2', sealed)).toThrow(SealError);
  const damaged = Buffer.from(sealed);
  damaged[damaged.length - 1] = (damaged.at(-1) ?? 0) ^ 1;
  expect(() => store.sealer.open('clusters.uri/1', damaged)).toThrow(SealError);
  const other = mkdtempSync(join(tmpdir(), 'linkspan-store-'));
  await using second = await openStore({ dataDirectory: other, masterKeyFile: null });
  expect(() => second.sealer.open('clusters.uri/1', sealed)).toThrow('another master key');
  rmSync(other, { recursive: true });
});

test('init makes one organization of a name, and no secret is readable in the file', async () => {
  const { apiKey } = await initOrganization(options(), 'First');
  await expect(initOrganization(options(), 'First')).rejects.toThrow(InitError);
  await expect(initOrganization(options(), 'a<b')).rejects.toThrow(ConfigurationError);
  const second = await initOrganization(options(), 'Second');
  expect(second.apiKey.publicKey).not.toBe(apiKey.publicKey);
  const file = readFileSync(join(directory, 'linkspan.db'));
  expect(file.includes(apiKey.publicKey)).toBe(true);
  expect(file.includes(apiKey.privateKey)).toBe(false);
});
