import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { eventually } from '@linkspan/testkit/eventually.ts';
import { portOf } from '@linkspan/testkit/destinationSide.ts';
import type { PluginTransformResultArgs } from 'kysely';
import type { Document } from 'mongodb';
import pg from 'pg';
import { expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import { FENCED, PushSession } from '../../src/gateway/session.ts';
import { StructureRecord } from '../../src/gateway/structureRecord.ts';
import * as clusters from '../../src/store/clusters.ts';
import { POSTGRESQL } from '../../src/store/dialects/postgres.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationNamespaces from '../../src/store/migrationNamespaces.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { StoreUnavailableError } from '../../src/store/store.ts';
import { host, push, withHost } from './push.ts';

withHost();

test('C14: a session whose lease was ended in the store is ended here, and settled', async () => {
  const { db } = push.store;
  const migrationId = await push.makeMigration(host);
  const session = await host.session(migrationId);
  await session.collection('app', 'c');
  await db.updateTable('push_sessions').set({ lease_until: '' }).execute();
  await eventually(async () => {
    const row = await pushSessions.find(db, session.opened.sessionId);
    expect(row?.state).toBe('SETTLED');
  });
  expect((await session.documents({}, [{ _id: 1 }])).code).toBe('SESSION_UNKNOWN');
  const next = await host.session(migrationId);
  expect((await next.documents({}, [{ _id: 1 }])).json).toMatchObject({ written: 1 });
});

test('C1, I5: a look at the store ends what was removed, ended or replaced by another node', async () => {
  const { db } = push.store;
  const migrationId = await push.makeMigration(host);
  const session = await host.session(migrationId);
  // As another node does it: nothing of this process is told.
  await db
    .updateTable('live_migrations')
    .set((eb) => ({ epoch: eb('epoch', '+', 1) }))
    .where('id', '=', migrationId)
    .execute();
  await eventually(async () => {
    const row = await pushSessions.find(db, session.opened.sessionId);
    expect(row?.state).toBe('SETTLED');
  });
  expect((await session.documents({}, [{ _id: 1 }])).code).toBe('SESSION_FENCED');
});

/** An opening that waits for an older session of the migration, which another node holds. */
async function openBehindAnother() {
  const { db, dialect } = push.store;
  const migrationId = await push.makeMigration(host, { epoch: 1, status: 'WORKING' });
  const migration = await liveMigrations.find(db, migrationId);
  const older = newId();
  await pushSessions.insert(
    db,
    {
      id: older,
      migration_id: migrationId,
      link_id: push.linkId,
      cluster_id: migration!.cluster_id,
      epoch: 1,
      secret_hash: Buffer.alloc(32),
      state: 'OPEN',
      connection_name: 'linkspan-test-older',
      opened_at: timestamp(),
    },
    { dialect, nodeId: 'another node', termMs: 600_000 },
  );
  const opening = host.open(migrationId);
  await eventually(async () => {
    expect((await liveMigrations.find(db, migrationId))?.epoch).toBe(2);
  });
  return { migrationId, older, opening };
}

test('I1: an opening that waits for an older session ends with the session that it opens', async () => {
  const { db } = push.store;
  const { migrationId, older, opening } = await openBehindAnother();
  await liveMigrations.setEnded(db, migrationId, 'FAILED', 'test', timestamp());
  expect((await opening).code).toBe('MIGRATION_NOT_ACTIVE');
  expect((await pushSessions.find(db, older))?.state, 'it was waited for').toBe('OPEN');
  await pushSessions.settle(db, older);
});

test('D14: a session of a cluster that has become sharded writes without numbers, and that is kept', async () => {
  const { db, sealer } = push.store;
  const { id, uri_sealed, facts } = await db
    .selectFrom('clusters')
    .selectAll()
    .executeTakeFirstOrThrow();
  const hello = {
    isWritablePrimary: true,
    msg: 'isdbgrid',
    minWireVersion: 0,
    maxWireVersion: 21,
    logicalSessionTimeoutMinutes: 30,
  };
  await using proxy = await startAnsweringProxy(portOf(push.mongo.uri), { hello });
  const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  await clusters.setUri(db, id, {
    uri_sealed: sealer.seal(clusters.uriIdentity(id), uri),
    facts: JSON.stringify({ mongoDBVersion: '8.0.0', topology: 'ReplicaSet', fence: 'ENFORCED' }),
  });
  try {
    const session = await host.session(await push.makeMigration(host));
    const row = await pushSessions.find(db, session.opened.sessionId);
    expect(row?.is_fenced).toBe(0);
    expect(clusters.factsOf((await clusters.find(db, id))!)).toMatchObject({
      topology: 'Sharded',
      fence: 'NOT_ENFORCED',
    });
    await session.post('close', {});
  } finally {
    await clusters.setUri(db, id, { uri_sealed, facts });
  }
});

test('I3: an opening that the node ends itself, since it stops, is worth trying again', async () => {
  const { migrationId, older, opening } = await openBehindAnother();
  await push.restart();
  expect(await opening).toMatchObject({ status: 503, code: 'NODE_UNAVAILABLE' });
  await pushSessions.settle(push.store.db, older);
  expect((await host.open(migrationId)).status).toBe(200);
});

/** The store, which can carry out a statement and lose the answer. */
function losing() {
  let failure: Error | null = null;
  const db = push.store.db.withPlugin({
    transformQuery: ({ node }) => node,
    async transformResult({ result }: PluginTransformResultArgs) {
      if (failure !== null) throw failure;
      return result;
    },
  });
  return {
    db,
    lose: (isLost: boolean) => void (failure = isLost ? new Error('the answer was lost') : null),
    fail: (error: Error | null) => void (failure = error),
  };
}

/** Of a session, with such a store. */
async function structureRecord() {
  const migrationId = await push.makeMigration(host);
  const { sessionId } = (await host.session(migrationId)).opened;
  const { db, dialect } = push.store;
  const { db: losingDb, lose } = losing();
  const record = new StructureRecord({ db: losingDb, dialect }, sessionId);
  const kept = async () => (await pushSessions.find(db, sessionId))?.structure_under_way;
  return {
    sessionId,
    kept,
    /** @returns what the store has while it is sent */
    send: (sent?: () => void) =>
      record.around(
        async () => {
          sent?.();
          return kept();
        },
        () => true,
      ),
    lose,
  };
}

test('C2: nothing that changes structure is sent without its record, whatever the store did not answer', async () => {
  const { send, kept, lose } = await structureRecord();
  expect(await send()).toBe(1);
  expect(await kept()).toBe(0);
  lose(true);
  await expect(send(), 'it may be recorded, and is not sent').rejects.toThrow('answer was lost');
  lose(false);
  expect(await send(), 'it is recorded again').toBe(1);
  expect(await kept()).toBe(0);
  expect(await send(() => lose(true)), 'the end is not answered').toBe(1);
  lose(false);
  // That end may reach the store at any time.
  const late = expect.objectContaining({ code: 'SESSION_UNKNOWN' });
  await expect(send()).rejects.toEqual(late);
});

test('C14: nothing that changes structure is sent once the lease has ended in the store', async () => {
  const { db } = push.store;
  const { send, kept, sessionId } = await structureRecord();
  await db
    .updateTable('push_sessions')
    .set({ lease_until: '' })
    .where('id', '=', sessionId)
    .execute();
  await expect(send()).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
  expect(await kept()).toBe(0);
});

/** A session that its node holds on to, whatever becomes of it, on a store that can lose an answer. */
async function heldOnTo(uri = push.mongo.uri) {
  const migrationId = await push.makeMigration(host, { epoch: 1, status: 'WORKING' });
  const { sealer, dialect } = push.store;
  const migration = await liveMigrations.find(push.store.db, migrationId);
  const { db, lose, fail } = losing();
  const session = new PushSession({
    identity: {
      id: newId(),
      migrationId,
      linkId: push.linkId,
      hostId: host.hostId,
      clusterId: migration!.cluster_id,
      clusterName: 'target',
      connectionName: 'linkspan-test-held',
      purpose: 'push',
    },
    // Only of a store that is apart from the server an answer can be lost.
    store: {
      ...push.store,
      db,
      dialect: { ...dialect, isOver: (error) => POSTGRESQL.isOver(error) },
      sealer,
    },
    uri,
    mayConnect: () => true,
    onPending: () => undefined,
  });
  session.epoch = 1;
  session.leasedUntil = Infinity;
  const recorded = async () => {
    const rows = await migrationNamespaces.list(push.store.db, migrationId);
    return rows.map(({ coll, was_there: wasThere }) => ({ coll, wasThere }));
  };
  return { migrationId, session, recorded, lose, fail };
}

test('I5, D11: a session that a newer one has replaced changes nothing of what is the migration’s', async () => {
  const { migrationId, session, recorded } = await heldOnTo();
  const { owned } = session;
  await owned.add({ db: 'app', coll: 'c', wasThere: false });
  await liveMigrations.nextEpoch(push.store.db, migrationId);
  // As if it had been on its way since before the newer session made the collection again.
  await owned.remove({ db: 'app', coll: 'c' });
  expect(await recorded()).toEqual([{ coll: 'c', wasThere: 0 }]);
  for (const coll of ['c', 'd']) {
    const added = owned.add({ db: 'app', coll, wasThere: true });
    await expect(added).rejects.toMatchObject({ code: 'SESSION_FENCED' });
  }
  expect(session.isRefusing).toBe(true);
  expect(await recorded()).toEqual([{ coll: 'c', wasThere: 0 }]);
  await session.settle(AbortSignal.timeout(10_000));
});

test('D11: a session records nothing more once the store did not say what it has recorded', async () => {
  for (const change of ['add', 'remove'] as const) {
    const { session, recorded, lose } = await heldOnTo();
    const { owned } = session;
    const namespace = { db: 'app', coll: 'c', wasThere: false };
    await owned.add(namespace);
    lose(true);
    await expect(owned[change](namespace)).rejects.toThrow('answer was lost');
    lose(false);
    // What was lost may come after whatever is recorded from here on.
    await expect(owned.add(namespace), change).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
    expect(await recorded()).toHaveLength(change === 'add' ? 1 : 0);
    await session.settle(AbortSignal.timeout(10_000));
  }
});

test('D11: a session goes on after the store has said that it did not record something', async () => {
  const namespace = { db: 'app', coll: 'c', wasThere: false };
  for (const [code, isRefusing] of [
    ['55P03', false],
    ['08006', true],
    ['57P01', true],
  ] as const) {
    const { session, fail } = await heldOnTo();
    const cause = Object.assign(new pg.DatabaseError('refused', 0, 'error'), { code });
    fail(new StoreUnavailableError('the store failed', { cause }));
    await expect(session.owned.add(namespace)).rejects.toThrow('the store failed');
    expect(session.isRefusing, code).toBe(isRefusing);
    session.refuse(FENCED);
    await session.settle(AbortSignal.timeout(10_000));
  }
});

test('C2: a session that left no change of structure under way aborts no build, whoever builds there', async () => {
  const dropped: Document[] = [];
  let witness = '';
  let looks = 0;
  const command = { createIndexes: 'c', indexes: [{ v: 2, key: { a: 1 }, name: 'a_1' }] };
  await using proxy = await startAnsweringProxy(portOf(push.mongo.uri), {
    ismaster: ({ client }) => {
      const name = String(client?.application?.name ?? '');
      if (name.startsWith('linkspan-witness-')) witness = name;
      return null;
    },
    insert: () => 'cut',
    aggregate: () => {
      const build = { op: 'command', ns: 'app.c', command };
      const firstBatch = [{ appName: witness }, ...(looks === 0 ? [build] : [])];
      looks += 1;
      return { cursor: { id: 0n, ns: 'admin.$cmd.aggregate', firstBatch } };
    },
    dropIndexes: (drop) => {
      dropped.push(drop);
      return {};
    },
  });
  const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  const { session } = await heldOnTo(uri);
  const { db, sealer } = push.store;
  const { clusterId } = session.identity;
  const { uri_sealed, facts } = (await clusters.find(db, clusterId))!;
  const sealed = sealer.seal(clusters.uriIdentity(clusterId), uri);
  await clusters.setUri(db, clusterId, { uri_sealed: sealed, facts });
  await session.owned.add({ db: 'app', coll: 'c', wasThere: false });
  const insert = { insert: 'c', documents: [{ _id: 1 }] };
  const writing = session.destination.writeDocuments('app', 'insert', insert);
  await expect(writing).rejects.toMatchObject({ code: 'SESSION_UNKNOWN' });
  const { id, migrationId, linkId, connectionName } = session.identity;
  await pushSessions.insert(db, {
    id,
    migration_id: migrationId,
    link_id: linkId,
    cluster_id: clusterId,
    epoch: 1,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: connectionName,
    opened_at: timestamp(),
  });
  await session.settle(AbortSignal.timeout(20_000));
  await pushSessions.settle(db, id);
  await clusters.setUri(db, clusterId, { uri_sealed, facts });
  expect(looks).toBe(1);
  expect(dropped).toEqual([]);
});

test('a request that says that another node handed it on is refused unless one did', async () => {
  const inventory = { hostname: 'h', agentVersion: '1', projects: [] };
  const forged = {
    'linkspan-forwarded': `${push.store.nodeId} ${Date.now()} 192.0.2.1 ${'00'.repeat(32)}`,
  };
  expect(await host.post('/inventory', inventory, forged)).toMatchObject({
    status: 503,
    code: 'NODE_UNAVAILABLE',
  });
});

test('a load balancer is told whether the node is ready, and a supervisor that it lives', async () => {
  const ask = async (path: string) => (await fetch(push.url() + path)).status;
  expect(await ask('/api/linkspan/v1/ready')).toBe(200);
  expect(await ask('/api/linkspan/v1/live')).toBe(200);
});
