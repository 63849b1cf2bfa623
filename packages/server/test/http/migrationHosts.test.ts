import { decodeLinkToken } from '@linkspan/contract/push/linkToken.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { secretHash } from '../../src/domain/keyPair.ts';
import { timestamp } from '../../src/domain/time.ts';
import { HostReplacement } from '../../src/operations/hostReplacement.ts';
import { thisMoment } from '../../src/operations/listening.ts';
import * as hostTokens from '../../src/store/hostTokens.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { textOf } from '../support/api.ts';
import { operationContext } from '../support/endpoints.ts';
import {
  addHost,
  HOSTNAME,
  INVENTORY,
  linkHost,
  makeDestination,
  migrationBody,
} from '../support/link.ts';
import { listenedFor } from '../support/listening.ts';
import { READY } from '../support/progress.ts';
import { expectRemoved } from '../support/removal.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

let server: TestServer;
let groupId: string;
let first: { readonly linkId: string; readonly hostId: string };
let second: string;
let hosts: string;
let own: string;

beforeAll(async () => {
  server = await startTestServer({ removalWaitSeconds: '1' });
  hosts = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link/hosts`;
  const early = await server.api.call('POST', hosts);
  expect(early.json).toMatchObject({ error: 409, errorCode: 'ORG_LINK_NOT_LINKED' });
  groupId = await makeDestination(server);
  own = `/api/linkspan/v1/groups/${groupId}/liveMigrations`;
  first = await linkHost(server);
  second = await addHost(server, 'host-2.example.com');
});
afterAll(() => server[Symbol.asyncDispose]());

const { migrationHosts: _one, ...unnamed } = migrationBody('');

async function start(migrationHostNames?: readonly string[]): Promise<string> {
  const connectionString = 'mongodb://writer:hidden@db.example.com/?replicaSet=rs0';
  const clusterName = `target-${newId()}`;
  const clusters = `/api/linkspan/v1/groups/${groupId}/clusters`;
  await server.api.call('POST', clusters, { body: { name: clusterName, connectionString } });
  const destination = { clusterName, groupId };
  const named = migrationHostNames && { migrationHosts: migrationHostNames };
  const body = { ...unnamed, destination, ...named };
  const made = await server.api.call('POST', own, { body });
  expect(made.status, made.text).toBe(201);
  return textOf(made, '_id');
}

async function hostOf(id: string): Promise<string | undefined> {
  return (await liveMigrations.find(server.store.db, id))?.host_id;
}

async function end(...ids: string[]): Promise<void> {
  for (const id of ids) {
    await liveMigrations.setEnded(server.store.db, id, 'FAILED', 'test', timestamp());
  }
}

async function heard(hostId: string, ago: number): Promise<void> {
  await migrationHosts.report(server.store.db, hostId, {
    hostname: hostId === second ? 'host-2.example.com' : HOSTNAME,
    agent_version: '0.1.0',
    inventory: INVENTORY,
    heartbeat_at: timestamp(new Date(Date.now() - ago)),
  });
}

test('C5: a token for another host names the key of the link, is kept as a hash, and is used once', async () => {
  const made = await server.api.call('POST', hosts);
  expect(made.status).toBe(201);
  const token = textOf(made, 'linkToken');
  const again = textOf(await server.api.call('POST', hosts), 'linkToken');
  expect(again).not.toBe(token);
  const link = await links.find(server.store.db, first.linkId);
  const keys = await server.api.call('GET', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`);
  const key = (keys.json['results'] as { id: string; publicKey: string }[]).find(
    ({ id }) => id === link?.api_key_id,
  );
  expect(decodeLinkToken(token)).toMatchObject({ orgId: server.orgId, publicKey: key?.publicKey });
  const row = await hostTokens.findByTokenHash(server.store.db, secretHash(token));
  expect(row).toMatchObject({ link_id: first.linkId, token_host_id: null });
  const id = row?.id ?? '';
  const taken = [
    await hostTokens.use(server.store.db, id, 'a'),
    await hostTokens.use(server.store.db, id, 'b'),
  ];
  expect(taken).toEqual([true, false]);
  const link2 = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link`;
  expect((await server.api.call('GET', link2)).text).not.toContain(token.slice(10, 40));
});

test('the server picks the host with the fewest live migrations, of those in touch that can read the source', async () => {
  const one = await start();
  const two = await start();
  expect(new Set([await hostOf(one), await hostOf(two)])).toEqual(new Set([first.hostId, second]));
  const named = await start([HOSTNAME]);
  expect(await hostOf(named)).toBe(first.hostId);
  const three = await start([HOSTNAME, 'host-2.example.com']);
  expect(await hostOf(three)).toBe(second);
  await heard(second, 600_000);
  const four = await start();
  expect(await hostOf(four)).toBe(first.hostId);
  await heard(second, 0);
  const link = await server.api.call(
    'GET',
    `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link`,
  );
  const counts = (link.json['migrationHosts'] as { id: string; liveMigrations: number }[]).map(
    ({ id, liveMigrations: count }) => [id, count],
  );
  expect(Object.fromEntries(counts)).toEqual({ [first.hostId]: 3, [second]: 2 });
  const unknown = { ...unnamed, source: { ...unnamed.source, clusterName: 'none' } };
  const destination = { clusterName: 'target', groupId };
  const none = await server.api.call('POST', own, { body: { ...unknown, destination } });
  expect(none.json).toMatchObject({
    errorCode: 'INVALID_ATTRIBUTE',
    parameters: ['migrationHosts'],
  });
  const atlas = await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: { ...unnamed, destination },
  });
  expect(atlas.json).toMatchObject({ error: 400, parameters: ['migrationHosts'] });
  await end(one, two, named, three, four);
});

test('I5: a migration that is moved belongs to the other host at once, and no report of the first one counts', async () => {
  const id = await start([HOSTNAME]);
  const { db } = server.store;
  const epoch = (await liveMigrations.nextEpoch(db, id, first.hostId)) ?? 0;
  const report = () =>
    liveMigrations.setProgress(db, id, epoch, JSON.stringify(READY), timestamp());
  expect(await report()).toBe(true);
  expect((await server.api.call('GET', `${own}/${id}`)).json['readyForCutover']).toBe(true);
  await heard(second, 600_000);
  const none = await server.api.call('POST', `${own}/${id}/move`);
  expect(none.json).toMatchObject({ error: 409, errorCode: 'NO_OTHER_MIGRATION_HOST' });
  for (const migrationHost of [HOSTNAME, 'host-2.example.com', 'host-3.example.com']) {
    const refused = await server.api.call('POST', `${own}/${id}/move`, { body: { migrationHost } });
    expect(refused.json).toMatchObject({ error: 400, parameters: ['migrationHost'] });
  }
  await heard(second, 0);
  expect((await server.api.call('POST', `${own}/${id}/cutover`)).status).toBe(202);
  const cutting = await server.api.call('POST', `${own}/${id}/move`);
  expect(cutting.json).toMatchObject({ errorCode: 'LIVE_MIGRATION_CUTOVER_UNDER_WAY' });
  await liveMigrations.setCutoverFailed(db, id, 1, 'test');
  const moved = await server.api.call('POST', `${own}/${id}/move`, {
    body: { migrationHost: 'host-2.example.com' },
  });
  expect(moved.status).toBe(202);
  expect(await report()).toBe(false);
  expect(await liveMigrations.nextEpoch(db, id, first.hostId)).toBeNull();
  expect(await liveMigrations.nextEpoch(db, id, second)).toBe(epoch + 2);
  const now = await server.api.call('GET', `${own}/${id}`);
  expect(now.json).toMatchObject({
    migrationHosts: ['host-2.example.com'],
    readyForCutover: false,
    warnings: expect.arrayContaining([expect.stringContaining(`from migration host ${HOSTNAME}`)]),
  });
  await end(id);
  const late = await server.api.call('POST', `${own}/${id}/move`);
  expect(late.json).toMatchObject({ errorCode: 'LIVE_MIGRATION_NOT_ACTIVE' });
});

test('a host that is silent for too long is replaced, but not by a server that was not there to hear it', async () => {
  const id = await start([HOSTNAME]);
  const { db } = server.store;
  await liveMigrations.nextEpoch(db, id);
  const attempt = (await liveMigrations.requestCutover(db, id)) ?? 0;
  const look = async (ago: number, listened: number): Promise<string | undefined> => {
    await heard(first.hostId, ago);
    const now = thisMoment();
    const listening = listenedFor(listened, now);
    await new HostReplacement(operationContext(server), 300_000, listening).look(now);
    return hostOf(id);
  };
  expect(await look(290_000, 900_000)).toBe(first.hostId);
  expect(await look(310_000, 290_000)).toBe(first.hostId);
  await heard(second, 600_000);
  expect(await look(310_000, 900_000)).toBe(first.hostId);
  await heard(second, 0);
  expect(await look(310_000, 900_000)).toBe(second);
  const row = await liveMigrations.find(db, id);
  expect(row).toMatchObject({ cutover_failed_attempt: attempt, host_changes: 1 });
  const events = await server.api.call(
    'GET',
    `/api/atlas/v2/groups/${groupId}/events?eventType=LIVE_MIGRATION_MOVED&includeRaw=true`,
  );
  expect(events.text).toContain('was silent for 310 seconds');
  await heard(first.hostId, 0);
  await end(id);
});

test('C8: after a restore nothing is moved for a silence before its hosts can have been heard', async () => {
  const id = await start([HOSTNAME]);
  const { db } = server.store;
  const began = thisMoment();
  const later = (ms: number) => ({ wall: began.wall + ms, monotonic: began.monotonic + ms });
  const replacement = new HostReplacement(
    operationContext(server),
    300_000,
    listenedFor(3_600_000, began),
  );
  await heard(first.hostId, 3_600_000);
  await heard(second, 0);
  await server.store.transaction((tx) => links.suspendAll(tx, timestamp()));
  await replacement.look(began);
  await links.confirm(db, first.linkId);
  // The other host comes back first.
  for (let seconds = 5; seconds <= 300; seconds += 5) await replacement.look(later(seconds * 1000));
  expect(await hostOf(id)).toBe(first.hostId);
  await replacement.look(later(305_000));
  expect(await hostOf(id)).toBe(second);
  await heard(first.hostId, 0);
  await end(id);
});

test('C9: a host that is removed is refused, and its live migrations go to others or keep it', async () => {
  const third = await addHost(server, 'host-3.example.com');
  const id = await start(['host-3.example.com']);
  const { db } = server.store;
  await heard(first.hostId, 600_000);
  await heard(second, 600_000);
  const used = await server.api.call('DELETE', `${hosts}/${third}`);
  expect(used.json).toMatchObject({ error: 409, errorCode: 'MIGRATION_HOST_IN_USE' });
  expect((await migrationHosts.find(db, third))?.unlinked_at).toBeNull();
  await heard(first.hostId, 0);
  await heard(second, 0);
  const session = newId();
  await pushSessions.insert(
    db,
    {
      id: session,
      migration_id: id,
      link_id: first.linkId,
      cluster_id: (await liveMigrations.find(db, id))?.cluster_id ?? '',
      epoch: 1,
      secret_hash: secretHash(session),
      state: 'OPEN',
      connection_name: 'linkspan test',
      opened_at: timestamp(),
    },
    { dialect: server.store.dialect, nodeId: 'other', termMs: 1000, hostId: third },
  );
  const unproven = await server.api.call('DELETE', `${hosts}/${third}`);
  expect(unproven).toMatchObject({ status: 503 });
  expect(await hostOf(id)).not.toBe(third);
  expect((await migrationHosts.find(db, third))?.unlinked_at).not.toBeNull();
  await pushSessions.settle(db, session);
  await expectRemoved(() => server.api.call('DELETE', `${hosts}/${third}`));
  expect(await migrationHosts.find(db, third)).toBeUndefined();
  const gone = await server.api.call('DELETE', `${hosts}/${third}`);
  expect(gone.json).toMatchObject({ error: 404, errorCode: 'RESOURCE_NOT_FOUND' });
  await end(id);
});
