import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OpenSessionReply } from '@linkspan/contract/push/session.ts';
import { SESSION_HEADER } from '@linkspan/contract/push/version.ts';
import { hasPostgreSQL, NO_POSTGRESQL, startPostgreSQL } from '@linkspan/testkit/postgresql.ts';
import { Binary, BSON } from 'mongodb';
import { describe, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { anotherHost, range, sayRanges, SOURCE, takeRange, workOf } from './copying.ts';
import { startPush, TestHost, type TestPush } from './push.ts';
import { untilAllIsFree, upload } from './upload.ts';

/** A node that reads what is handed on to it, and does not answer. */
async function startMuteNode({ db }: TestPush['store']): Promise<
  AsyncDisposable & {
    /** A session that it holds. */
    readonly sessionId: string;
    /** @returns what comes next, once its whole body is there */
    next(): Promise<void>;
  }
> {
  const server = createServer((request) => {
    request.resume().once('end', () => server.emit('read'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const row = { id: 'mute', url, started_at: '', seen_at: 'z', key_ids: '[]' };
  await db.insertInto('nodes').values(row).execute();
  const sessionId = newId();
  const held = { id: sessionId, node_id: 'mute', lease_until: 'z' };
  await db.updateTable('push_sessions').set(held).execute();
  return {
    sessionId,
    next: async () => void (await once(server, 'read')),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}

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
        .values({ id: 'somebody', url: push.url(), started_at: '', seen_at: 'z', key_ids: '[]' })
        .execute();
      expect((await session.documents({ seq: 3 }, [{ _id: 3 }])).code).toBe('NODE_UNAVAILABLE');
    });

    test('C2: what a host copies for another one goes to the holder, and its removal is proven from any node', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      await using other = await push.node();
      const { db } = push.store;
      const tracking = new TestHost(push.url);
      await tracking.register(push.token);
      const migrationId = await push.makeMigration(tracking, { source: SOURCE });
      // The other node holds the session.
      const holder = new TestHost(() => other.url);
      Object.assign(holder, { hostId: tracking.hostId, hostSecret: tracking.hostSecret });
      const session = await holder.session(migrationId);
      await session.collection('app', 'c');
      const copying = await anotherHost(push);
      expect((await sayRanges(session, 1, [range(1)])).status).toBe(200);
      expect(await workOf(copying)).toMatchObject([{ kind: 'copy', id: session.opened.sessionId }]);
      const lease = await takeRange(copying, session);
      expect((await lease?.documents({}, [{ _id: 1 }]))?.json).toMatchObject({ written: 1 });
      expect((await lease?.report({ documents: 1 }))?.status).toBe(200);

      await migrationHosts.setUnlinked(db, copying.hostId, timestamp());
      const signal = AbortSignal.timeout(20_000);
      expect(await push.gateway.settleHost(push.linkId, copying.hostId, signal)).toBeNull();
      const answer = await sayRanges(session, 2, [range(1)]);
      expect(BSON.deserialize(answer.bytes)).toMatchObject({
        copying: 0,
        ranges: [{ state: 'RETURNED', documents: 1 }],
      });
      expect((await session.documents({}, [{ _id: 2 }])).json).toMatchObject({ written: 1 });
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

    test('I6: what was set aside for requests that are handed on is free again when their senders go', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      await using other = await push.node();
      const host = new TestHost(push.url);
      await host.register(push.token);
      await host.session(await push.makeMigration(host));
      await using holder = await startMuteNode(push.store);
      const at = new TestHost(() => other.url);
      Object.assign(at, { hostId: host.hostId, hostSecret: host.hostSecret });
      const body = Buffer.alloc(512 * 1024);
      const path = `/sessions/${holder.sessionId}/documents`;
      for (let count = 0; count < 130; count += 1) {
        const read = holder.next();
        const sending = upload(other.url, at, path, body.length, { [SESSION_HEADER]: 'x' });
        await sending.send(body);
        expect(await Promise.race([read, sending.status]), 'no answer').toBeUndefined();
        sending.socket.destroy();
      }
      await untilAllIsFree(at);
      expect((await at.post('/work', { knownRevision: null, waitSeconds: 0 })).status).toBe(200);
    });

    test('I6: two nodes that hand on to each other what they have no room for do not wait for each other', async () => {
      await using postgresql = await startPostgreSQL();
      await using push = await startPush(await postgresql.createDatabase());
      await using other = await push.node();
      const hosts = [new TestHost(push.url), new TestHost(() => other.url)] as const;
      await hosts[0].register(push.token);
      const { hostId, hostSecret } = hosts[0];
      Object.assign(hosts[1], { hostId, hostSecret });
      const migrations = [await push.makeMigration(hosts[0]), await push.makeMigration(hosts[0])];
      const sessions = [
        (await hosts[0].session(migrations[0]!)).opened,
        (await hosts[1].session(migrations[1]!)).opened,
      ] as const;
      const body = Buffer.alloc(24 * 1024 * 1024);
      const wrongly = hosts.flatMap((host, index) => {
        const { sessionId, sessionSecret } = sessions[1 - index] as OpenSessionReply;
        const headers = { [SESSION_HEADER]: `${sessionId}.${sessionSecret}` };
        return Array.from({ length: 3 }, () =>
          host.post(`/sessions/${sessionId}/documents`, body, headers),
        );
      });
      const answers = await Promise.all(wrongly);
      expect(answers.map(({ code }) => code)).toEqual(wrongly.map(() => 'MESSAGE_INVALID'));
    });
  },
);
