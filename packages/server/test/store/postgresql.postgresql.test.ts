import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { NO_POSTGRESQL, postgresqlProgram } from '@linkspan/testkit/postgresql.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { backUpStore } from '../../src/backup.ts';
import { newId } from '../../src/domain/ids.ts';
import { initOrganization } from '../../src/init.ts';
import * as links from '../../src/store/links.ts';
import { BackupError } from '../../src/store/maintenance/backup.ts';
import { restoreStore, storeRestored } from '../../src/store/maintenance/restore.ts';
import { storeStatus } from '../../src/store/maintenance/status.ts';
import { MasterKeyError } from '../../src/store/masterKeySource.ts';
import { StoreTooNewError } from '../../src/store/migrate.ts';
import { openStore, type StoreOptions } from '../../src/store/open.ts';
import type { Store } from '../../src/store/store.ts';
import {
  hasPostgreSQL,
  newDatabase,
  newSeparateDatabase,
  type TestDatabase,
} from '../support/postgresql.ts';
import { registerStoreTests } from './storeTests.ts';

const run = promisify(execFile);
const pgDump = postgresqlProgram('pg_dump');
const pgRestore = postgresqlProgram('pg_restore');

const LINK = {
  api_key_id: null,
  state: 'PENDING',
  token_expires_at: '',
  token_host_id: null,
  access_list: '[]',
  created_at: '',
  suspended_at: null,
} as const;

let directory: string;
let database: TestDatabase;
const options = (): StoreOptions => ({
  dataDirectory: directory,
  masterKeyFile: null,
  url: database.url,
});

describe.skipIf(!hasPostgreSQL)(
  hasPostgreSQL ? 'with PostgreSQL' : `with PostgreSQL: ${NO_POSTGRESQL}`,
  () => {
    beforeEach(async () => {
      directory = mkdtempSync(join(tmpdir(), 'linkspan-store-'));
      database = await newDatabase();
    });
    afterEach(async () => {
      await database[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true });
    });

    registerStoreTests('PostgreSQL', () => openStore(options()));

    test('C14: commits are on the disk, and the store says what that rests on', async () => {
      await using store = await openStore(options());
      expect(store.durability).toMatchObject({
        settings: { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on' },
        faults: [],
        warnings: [],
      });
    });

    test('C14: a database that does not wait for the disk is made to, for this server', async () => {
      await using separate = await newSeparateDatabase();
      const there = { ...options(), url: separate.url };
      await using first = await openStore(there);
      const name = new URL(separate.url).pathname.slice(1);
      await sql`alter database ${sql.id(name)} set synchronous_commit = off`.execute(first.db);
      await using store = await openStore(there);
      expect(store.durability.settings).toMatchObject({ synchronous_commit: 'on' });
    });

    test('C15: a store of a newer server is refused and left as it is', async () => {
      const first = await openStore(options());
      await sql`insert into schema_migrations values (99, '0099-future', 'x')`.execute(first.db);
      await first.close();
      await expect(openStore(options())).rejects.toThrow(StoreTooNewError);
    });

    test('C15: of many nodes that start at once on an empty database, each finds its tables', async () => {
      await using stores = new AsyncDisposableStack();
      const opened = await Promise.all([1, 2, 3, 4].map(() => openStore(options())));
      for (const store of opened) stores.use(store);
      expect(new Set(opened.map((store: Store) => store.nodeId)).size).toBe(4);
    });

    test('C8: a database that no store was restored into is not made one by saying so', async () => {
      await expect(storeRestored(options())).rejects.toThrow(BackupError);
      await expect(storeRestored(options())).rejects.toThrow('has no tables of a store');
      expect((await storeStatus(options())).rows).toEqual({});
    });

    test('C8: a file is not put in the place of a store in PostgreSQL, and that one goes on', async () => {
      const { organization } = await initOrganization(options(), 'First');
      const { id: org_id } = organization;
      const token_hash = Buffer.from('token');
      const row = { ...LINK, id: newId(), org_id, token_hash, state: 'LINKED' as const };
      {
        await using store = await openStore(options());
        await links.insert(store.db, row);
      }
      const embedded = { dataDirectory: join(directory, 'embedded'), masterKeyFile: null };
      await initOrganization(embedded, 'Other');
      const backup = join(directory, 'backup.db');
      await backUpStore(embedded, backup);
      const before = readdirSync(directory);
      const restored = restoreStore(backup, options());
      await expect(restored).rejects.toThrow(BackupError);
      await expect(restored).rejects.toThrow('linkspan store restored');
      expect(readdirSync(directory)).toEqual(before);
      await using store = await openStore(options());
      expect(await links.find(store.db, row.id)).toEqual(row);
    });

    test('C8: a node with another master key is refused, whether or not anything is sealed yet', async () => {
      await (await openStore(options())).close();
      const dataDirectory = join(directory, 'second');
      const second = { ...options(), dataDirectory };
      await expect(openStore(second)).rejects.toThrow(MasterKeyError);
      await initOrganization(options(), 'First');
      await expect(openStore(second)).rejects.toThrow('put the file back');
      await initOrganization({ ...second, masterKeyFile: join(directory, 'master.key') }, 'Second');
    });

    test.skipIf(pgDump === null || pgRestore === null)(
      'C8: a database that pg_restore brought back is marked, and its links are suspended',
      async () => {
        const { organization } = await initOrganization(options(), 'First');
        const { id: org_id } = organization;
        await using separate = await newSeparateDatabase();
        const there = { ...options(), url: separate.url };
        {
          await using store = await openStore(options());
          const token_hash = Buffer.from('token');
          await links.insert(store.db, { ...LINK, id: newId(), org_id, token_hash });
        }
        const dump = join(directory, 'dump');
        const schema = new URL(database.url).searchParams.get('options')?.split('=')[1] ?? '';
        const plain = new URL(database.url);
        plain.search = '';
        const dumped = ['--format=custom', `--schema=${schema}`, `--file=${dump}`, plain.href];
        await run(pgDump ?? '', dumped);
        await run(pgRestore ?? '', [`--dbname=${separate.url}`, '--no-owner', dump]);
        const restored = { ...there, url: `${separate.url}?options=-csearch_path=${schema}` };
        {
          await using node = await openStore(restored);
          using _running = node.signals.on('anything', () => {});
          await node.signals.listening();
          await expect(storeRestored(restored)).rejects.toThrow('a server runs on the store');
        }
        await expect
          .poll(() => storeRestored(restored).catch(String), { timeout: 10_000 })
          .toEqual({ backedUpAt: null, suspendedLinks: 1 });
        await using store = await openStore(restored);
        expect((await links.findByOrganization(store.db, org_id))?.suspended_at).not.toBeNull();
      },
    );
  },
);
