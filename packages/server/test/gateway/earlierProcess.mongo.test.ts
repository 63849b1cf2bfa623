import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { portOf } from '@linkspan/testkit/destinationSide.ts';
import { failCommands, healCommands, UNAUTHORIZED } from '@linkspan/testkit/failPoints.ts';
import type { Document } from 'mongodb';
import { expect, test } from 'vitest';

import { newConnectionName } from '../../src/domain/connectionNames.ts';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as migrationNamespaces from '../../src/store/migrationNamespaces.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import * as restoredMigrations from '../../src/store/restoredMigrations.ts';
import { host, push, withHost } from './push.ts';

const DOCUMENTS = 60_000;

withHost();

async function targetCluster(): Promise<string> {
  const { db } = push.store;
  return (await db.selectFrom('clusters').select('id').executeTakeFirstOrThrow()).id;
}

/** A session that nobody holds any more. */
async function leftSession(
  migrationId: string,
  clusterId: string,
  connectionName: string,
  epoch = 1,
): Promise<string> {
  const id = newId();
  await pushSessions.insert(push.store.db, {
    id,
    migration_id: migrationId,
    link_id: push.linkId,
    cluster_id: clusterId,
    epoch,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: connectionName,
    opened_at: timestamp(),
  });
  return id;
}

const landed = (): Promise<number> => push.mongo.client().db('q').collection('c').countDocuments();

/** A writer that is killed in the midst of a large insert, which goes on without it. */
async function leaveUnderWay(connectionName: string): Promise<void> {
  await push.mongo.client().db('q').collection('c').deleteMany({});
  const writer = fileURLToPath(new URL('../destination/largeInsert.ts', import.meta.url));
  const child = spawn(
    process.execPath,
    [writer, push.mongo.uri, connectionName, String(DOCUMENTS)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(child.stdout, 'data');
  while ((await landed()) === 0);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

test('I1: a proof ends once another node has found it, without another look at the cluster', async (context) => {
  if (!push.mongo.capabilities.failCommand) context.skip('needs failCommand');
  const clusterId = await targetCluster();
  const migrationId = await push.makeMigration(host, { epoch: 2, status: 'WORKING' });
  const byQuiescence = await leftSession(migrationId, clusterId, 'linkspan-test-first');
  const byFence = await leftSession(migrationId, clusterId, 'linkspan-test-second', 2);
  await pushSessions.setFenced(push.store.db, byFence);
  // Whoever asks for a proof is refused by the cluster.
  const refused = { failCommands: ['ping'], errorCode: UNAUTHORIZED, appName: 'linkspan-fence' };
  await failCommands(push.mongo, refused);
  try {
    const proof = push.gateway.settleMigration(migrationId, AbortSignal.timeout(20_000));
    const early = await push.gateway.settleMigration(migrationId, AbortSignal.timeout(300));
    expect(early).toEqual({ unprovenCluster: 'target' });
    // As another node does it.
    for (const id of [byQuiescence, byFence]) await pushSessions.settle(push.store.db, id);
    expect(await proof).toBeNull();
  } finally {
    await healCommands(push.mongo);
  }
});

test('a session opens only when what a killed server left under way has landed (I3, I5)', async () => {
  const migrationId = await push.makeMigration(host, { epoch: 1, status: 'WORKING' });
  const connectionName = 'linkspan-test-earlier';
  const id = await leftSession(migrationId, await targetCluster(), connectionName);
  const row = { migration_id: migrationId, db: 'q', coll: 'c', was_there: 0 };
  await migrationNamespaces.add(push.store.db, row, 1);

  await leaveUnderWay(connectionName);

  const session = await host.session(migrationId);
  const then = await landed();
  const reply = await session.documents({ db: 'q', coll: 'c' }, [{ _id: 'after' }]);
  expect(reply.json).toMatchObject({ written: 1 });
  expect(await landed()).toBe(then + 1);
  expect((await pushSessions.find(push.store.db, id))?.state).toBe('SETTLED');
});

test('C2, C8: after a restore nothing is proven while a session lands that nobody knows', async () => {
  const migrationId = await push.makeMigration(host, { epoch: 1_000_000, status: 'WORKING' });
  await leaveUnderWay(newConnectionName(migrationId));
  await push.store.transaction(async (tx) => {
    const row = await liveMigrations.find(tx, migrationId);
    if (row !== undefined) await restoredMigrations.recordUnknownSessions(tx, [row]);
  });
  expect(await push.gateway.settleMigration(migrationId, AbortSignal.timeout(150_000))).toBeNull();
  const then = await landed();
  expect(then).toBe(DOCUMENTS);
  expect(await pushSessions.listOpen(push.store.db, { migration_id: migrationId })).toEqual([]);
});

test('C2: of a migration that is COMPLETE no proof aborts a build, whoever builds there by then', async () => {
  const { db, sealer } = push.store;
  const clusterId = await targetCluster();
  const { uri_sealed, facts } = (await clusters.find(db, clusterId))!;
  const dropped: Document[] = [];
  let witness = '';
  let looks = 0;
  const indexes = [{ v: 2, key: { a: 1 }, name: 'a_1' }];
  const build = { op: 'command', ns: 'q.c', command: { createIndexes: 'c', indexes } };
  await using proxy = await startAnsweringProxy(portOf(push.mongo.uri), {
    ismaster: ({ client }) => {
      const name = String(client?.application?.name ?? '');
      if (name.startsWith('linkspan-witness-')) witness = name;
      return null;
    },
    aggregate: () => {
      const firstBatch = [{ appName: witness }, ...(looks === 0 ? [build] : [])];
      looks += 1;
      return { cursor: { id: 0n, ns: 'admin.$cmd.aggregate', firstBatch } };
    },
    dropIndexes: (command) => {
      dropped.push(command);
      return {};
    },
  });
  const uri = `mongodb://127.0.0.1:${proxy.port}/?directConnection=true`;
  const sealed = sealer.seal(clusters.uriIdentity(clusterId), uri);
  await clusters.setUri(db, clusterId, { uri_sealed: sealed, facts });
  try {
    const migrationId = await push.makeMigration(host, { epoch: 1, status: 'COMPLETE' });
    const row = { migration_id: migrationId, db: 'q', coll: 'c', was_there: 0 };
    await migrationNamespaces.add(db, row, 1);
    const id = await leftSession(migrationId, clusterId, newConnectionName(migrationId));
    expect(await push.gateway.settleMigration(migrationId, AbortSignal.timeout(20_000))).toBeNull();
    expect((await pushSessions.find(db, id))?.state).toBe('SETTLED');
    expect(looks).toBe(1);
    expect(dropped).toEqual([]);
  } finally {
    await clusters.setUri(db, clusterId, { uri_sealed, facts });
  }
});
