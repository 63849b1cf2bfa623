import { hasPostgreSQL, NO_POSTGRESQL, startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { sql } from 'kysely';
import { describe, expect, test } from 'vitest';

import { startPush, TestHost } from './push.ts';

describe.skipIf(!hasPostgreSQL())(
  hasPostgreSQL() ? 'a commit that takes long' : `a commit that takes long: ${NO_POSTGRESQL}`,
  () => {
    test('C14: a session that is not committed yet is not taken for one that was lost', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      const host = new TestHost(push.url);
      await host.register(push.token);
      const migrationId = await push.makeMigration(host);
      // Longer than the node waits from one look at its sessions to the next.
      const { db } = push.store;
      await sql`create function be_slow() returns trigger language plpgsql as
        $$ begin perform pg_sleep(2.5); return null; end $$`.execute(db);
      await sql`create constraint trigger slow after insert on push_sessions
        deferrable initially deferred for each row execute function be_slow()`.execute(db);
      const session = await host.session(migrationId);
      await session.collection('app', 'c');
      expect((await session.documents({}, [{ _id: 1 }])).json).toMatchObject({ written: 1 });
    });
  },
);
