import { hasPostgreSQL, NO_POSTGRESQL, startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { Binary, BSON } from 'mongodb';
import { describe, expect, test } from 'vitest';

import * as pushSessions from '../../src/store/pushSessions.ts';
import { startPush, TestHost } from './push.ts';

describe.skipIf(!hasPostgreSQL())(
  hasPostgreSQL() ? 'a push at another node' : `a push at another node: ${NO_POSTGRESQL}`,
  () => {
    test('is handed on to the holder, as a whole, with who sends it, and never twice', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      await using other = await push.node();
      const { db } = push.store;
      let url = push.url();
      const host = new TestHost(() => url);
      await host.register(push.token);
      const migrationId = await push.makeMigration(host);
      const session = await host.session(migrationId);

      ({ url } = other);
      expect((await session.collection('app', 'c')).json).toEqual({
        changes: ['app.c: create it'],
      });
      const large = { _id: 1, bytes: new Binary(Buffer.alloc(12 * 1024 * 1024, 7)) };
      expect((await session.documents({}, [large])).json).toMatchObject({ written: 1 });
      const listing = await session.post('listing', BSON.serialize({}));
      expect(BSON.deserialize(listing.bytes)).toMatchObject({ namespaces: [{ coll: 'c' }] });
      expect((await session.documents({ db: 'admin' }, [])).code, 'refusals, too').toBe(
        'NAMESPACE_REFUSED',
      );
      const stranger = new TestHost(() => url);
      const { sessionId } = session.opened;
      expect((await stranger.post(`/sessions/${sessionId}/close`, {})).status).toBe(401);

      // The access list counts for who sent it, not for the node between.
      const list = (...cidrs: string[]) =>
        db
          .updateTable('links')
          .set({ access_list: JSON.stringify(cidrs) })
          .execute();
      await list('192.0.2.0/24');
      expect((await session.documents({ seq: 2 }, [{ _id: 2 }])).status).toBe(401);
      await list();

      // A node that is not the holder although the first one was told so.
      await db.updateTable('push_sessions').set({ node_id: 'somebody' }).execute();
      await db
        .insertInto('nodes')
        .values({ id: 'somebody', url: push.url(), started_at: '', seen_at: 'z' })
        .execute();
      expect((await session.documents({ seq: 3 }, [{ _id: 3 }])).code).toBe('NODE_UNAVAILABLE');
    });

    test('is told to open a new session once the holder has stopped, which gives it back at once', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      const first = await push.node();
      let { url } = first;
      const host = new TestHost(() => url);
      await host.register(push.token);
      const migrationId = await push.makeMigration(host);
      const session = await host.session(migrationId);
      await session.collection('app', 'c');
      await first.close();
      const row = await pushSessions.find(push.store.db, session.opened.sessionId);
      expect(row?.state).toBe('SETTLED');
      url = push.url();
      expect((await session.documents({}, [{ _id: 1 }])).code).toBe('SESSION_UNKNOWN');
      const next = await host.session(migrationId);
      expect((await next.documents({}, [{ _id: 1 }])).json).toMatchObject({ written: 1 });
    });
  },
);
