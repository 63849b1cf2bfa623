import { expect, test } from 'vitest';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import * as validations from '../../src/store/validations.ts';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';

import { LinkRemoval } from '../../src/operations/linkRemoval.ts';
import { textOf } from '../support/api.ts';
import { operationContext } from '../support/endpoints.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { expectRemoved } from '../support/removal.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const NOT_FOUND =
  '{"detail":"Could not find the requested external organization link.","error":404,"errorCode":"UNEXPECTED_ERROR","parameters":null,"reason":"Not Found"}';

const tokens = (server: TestServer) =>
  `/api/atlas/v1.0/orgs/${server.orgId}/liveMigrations/linkTokens`;

/** A proof that the test gives, and a way to know that it is waited for. */
function heldProof(server: TestServer) {
  const asked = Promise.withResolvers<void>();
  const given = Promise.withResolvers<{ unprovenCluster: string } | null>();
  const calls: string[] = [];
  server.hooks.settle = (linkId, signal) => {
    calls.push(linkId);
    asked.resolve();
    return Promise.race([
      given.promise,
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      }),
    ]);
  };
  return { asked: asked.promise, give: given.resolve, calls };
}

test('C1: removal ends key, migrations and validations in one step, and erases passwords', async () => {
  await using server = await startTestServer();
  const { linkId, hostId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const base = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  const migration = await server.api.call('POST', base, { body: migrationBody(groupId) });
  const validation = await server.api.call('POST', `${base}/validate`, {
    body: migrationBody(groupId),
  });
  const migrationId = textOf(migration, '_id');
  const validationId = textOf(validation, '_id');
  const before = await liveMigrations.find(server.store.db, migrationId);
  expect(before?.password_sealed).not.toBeNull();
  expect(liveMigrations.openPassword(server.store.sealer, before!)).toBe('source-password');

  const proof = heldProof(server);
  const removal = server.api.call('DELETE', tokens(server));
  await proof.asked;
  const { db } = server.store;
  const link = await links.find(db, linkId);
  expect(link).toMatchObject({ state: 'REMOVING' });
  const keys = await server.api.call('GET', `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`);
  expect(keys.json).toMatchObject({ totalCount: 1 });
  expect(await liveMigrations.find(db, migrationId)).toMatchObject({
    status: 'FAILED',
    failure_reason: 'The link-token of the organization was removed.',
    password_sealed: null,
  });
  expect(await validations.findInProject(db, groupId, validationId)).toMatchObject({
    status: 'FAILED',
    password_sealed: null,
  });
  expect(server.hooks.changed).toContain(linkId);

  proof.give(null);
  expect((await removal).status).toBe(204);
  expect(await links.find(db, linkId)).toBeUndefined();
  expect(await migrationHosts.find(db, hostId)).toBeUndefined();
  expect(await liveMigrations.find(db, migrationId)).toMatchObject({ link_id: null });
  const types = (await events.listByOrganization(db, server.orgId)).map((e) => e.event_type);
  expect(types.slice(-5)).toEqual([
    'API_KEY_DELETED',
    'LIVE_MIGRATION_LINK_TOKEN_DELETED',
    'LIVE_MIGRATION_FAILED',
    'CLUSTER_IMPORT_VALIDATION_FAIL',
    'LIVE_MIGRATION_LINK_REMOVED',
  ]);
  const again = await server.api.call('DELETE', tokens(server));
  expect(again.status).toBe(404);
  expect(again.text).toBe(NOT_FOUND);
  expect(again.headers['x-error-code']).toBe('UNEXPECTED_ERROR');
});

test('C3: a second DELETE joins the wait, POST meanwhile answers 409, a client that goes away cancels nothing', async () => {
  await using server = await startTestServer();
  await linkHost(server);
  const proof = heldProof(server);
  const gone = new AbortController();
  const first = server.api.call('DELETE', tokens(server), { signal: gone.signal });
  await proof.asked;
  gone.abort();
  await expect(first).rejects.toThrow();
  const { changed } = server.hooks;
  const toldSoFar = changed.length;
  const second = server.api.call('DELETE', tokens(server));
  await expect.poll(() => changed.length).toBeGreaterThan(toldSoFar);
  const post = await server.api.call('POST', tokens(server), { body: {} });
  expect(post.status).toBe(409);
  expect(post.json).toMatchObject({ errorCode: 'ORG_LINK_ALREADY_EXISTS' });
  const state = await server.api.call(
    'GET',
    `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link`,
  );
  expect(state.json).toMatchObject({ state: 'REMOVING' });
  proof.give(null);
  expect((await second).status).toBe(204);
  expect(proof.calls).toHaveLength(1);
});

test('C3: without proof in time the answer is 503 with Retry-After, naming the cluster, and the removal goes on', async () => {
  await using server = await startTestServer({ removalWaitSeconds: '1' });
  const { linkId } = await linkHost(server);
  const groupId = await makeDestination(server);
  server.hooks.settle = async () => ({ unprovenCluster: 'target' });
  const late = await server.api.call('DELETE', tokens(server));
  expect(late.status).toBe(503);
  expect(late.headers['retry-after']).toBe('5');
  expect(late.json).toMatchObject({ errorCode: 'SERVICE_UNAVAILABLE' });
  expect(late.text).toContain('cluster target');
  expect(late.text).not.toContain('hidden-password');
  expect(await links.find(server.store.db, linkId)).toMatchObject({ state: 'REMOVING' });
  const create = await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: migrationBody(groupId),
  });
  expect(create.status).toBe(409);
  const proof = heldProof(server);
  const remove = () => server.api.call('DELETE', tokens(server));
  const begun = remove();
  await proof.asked;
  proof.give(null);
  await expectRemoved(remove, { begun });
  expect(await links.find(server.store.db, linkId)).toBeUndefined();
});

test('C2: a session that is still open is no proof, whatever the gateway says', async () => {
  await using server = await startTestServer({ removalWaitSeconds: '1' });
  const { linkId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const migration = await server.api.call(
    'POST',
    `/api/atlas/v2/groups/${groupId}/liveMigrations`,
    {
      body: migrationBody(groupId),
    },
  );
  const { db } = server.store;
  const row = await liveMigrations.find(db, textOf(migration, '_id'));
  const sessionId = newId();
  await pushSessions.insert(db, {
    id: sessionId,
    migration_id: textOf(migration, '_id'),
    link_id: linkId,
    cluster_id: row?.cluster_id ?? '',
    epoch: 1,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: 'linkspan test',
    opened_at: timestamp(),
  });
  const late = await server.api.call('DELETE', tokens(server));
  expect(late.status).toBe(503);
  expect(late.text).toContain('cluster target');
  const cluster = `/api/linkspan/v1/groups/${groupId}/clusters/target`;
  expect((await server.api.call('DELETE', cluster)).status).toBe(409);
  server.hooks.settle = async () => {
    await pushSessions.settle(db, sessionId);
    return null;
  };
  await expectRemoved(() => server.api.call('DELETE', tokens(server)));
  expect((await server.api.call('DELETE', cluster)).status).toBe(204);
});

test('C3: a server that stopped in REMOVING finishes after its restart', async () => {
  await using server = await startTestServer();
  const { linkId } = await linkHost(server);
  const before = heldProof(server);
  const interrupted = server.api.call('DELETE', tokens(server));
  await before.asked;
  const after = heldProof(server);
  await server.restart();
  expect((await interrupted).status).toBe(503);
  await after.asked;
  expect(after.calls).toEqual([linkId]);
  const joined = server.api.call('DELETE', tokens(server));
  after.give(null);
  expect([204, 404]).toContain((await joined).status);
  const last = await server.api.call('DELETE', tokens(server));
  expect(last.text).toBe(NOT_FOUND);
});

test('C3: a removal of a migration host that was not proven is finished by whoever runs, and nothing asks for it', async () => {
  await using server = await startTestServer({ removalWaitSeconds: '1' });
  const { hostId } = await linkHost(server);
  const path = `/api/linkspan/v1/orgs/${server.orgId}/liveMigrations/link/hosts/${hostId}`;
  server.hooks.settleHost = async () => ({ unprovenCluster: 'target' });
  const late = await server.api.call('DELETE', path);
  expect(late.status).toBe(503);
  expect(late.headers['retry-after']).toBe('5');
  expect(late.text).toContain('cluster target');
  const asked: string[] = [];
  server.hooks.settleHost = async (id) => {
    asked.push(id);
    return null;
  };
  await server.restart();
  const host = () => migrationHosts.find(server.store.db, hostId);
  await expect.poll(host, { timeout: 30_000 }).toBeUndefined();
  expect(asked).toEqual([hostId]);
  const types = (await events.listByOrganization(server.store.db, server.orgId)).map(
    ({ event_type: type }) => type,
  );
  expect(types.slice(-2)).toEqual(['LIVE_MIGRATION_HOST_UNLINKED', 'LIVE_MIGRATION_HOST_REMOVED']);
  expect((await server.api.call('DELETE', path)).status).toBe(404);
});

test('deleting the key of the link is removing the link-token', async () => {
  await using server = await startTestServer();
  const { linkId } = await linkHost(server);
  const link = await links.find(server.store.db, linkId);
  const key = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys/${link?.api_key_id ?? ''}`;
  const shown = await server.api.call('GET', key);
  expect(shown.json).toMatchObject({ roles: [], desc: expect.stringContaining('link') as string });
  const changed = await server.api.call('PATCH', key, { body: { desc: 'other' } });
  expect(changed.status).toBe(409);
  expect(changed.json).toMatchObject({ errorCode: 'CANNOT_MODIFY_LINK_API_KEY' });
  const entry = await server.api.call('POST', `${key}/accessList`, {
    body: [{ ipAddress: '192.0.2.1' }],
  });
  expect(entry.status).toBe(409);
  expect((await server.api.call('DELETE', key)).status).toBe(204);
  expect(await links.find(server.store.db, linkId)).toBeUndefined();
});

test('C3: a key of a link that is being removed is answered like its removal, and no key that is not', async () => {
  await using server = await startTestServer({ removalWaitSeconds: '1' });
  const { linkId } = await linkHost(server);
  const link = await links.find(server.store.db, linkId);
  const keys = `/api/atlas/v1.0/orgs/${server.orgId}/apiKeys`;
  const key = `${keys}/${link?.api_key_id ?? ''}`;
  server.hooks.settle = async () => ({ unprovenCluster: 'target' });
  const late = await server.api.call('DELETE', key);
  expect(late).toMatchObject({ status: 503 });
  expect(late.text).toContain('cluster target');
  const other = await server.api.call('DELETE', `${keys}/${newId()}`);
  expect(other.json).toMatchObject({ error: 400, errorCode: 'API_KEY_NOT_FOUND' });
  const proof = heldProof(server);
  const remove = () => server.api.call('DELETE', key);
  const begun = remove();
  await proof.asked;
  proof.give(null);
  await expectRemoved(remove, { begun, gone: 400 });
  const types = (await events.listByOrganization(server.store.db, server.orgId)).map(
    ({ event_type: type }) => type,
  );
  expect(types.filter((type) => type === 'API_KEY_DELETED')).toHaveLength(1);
  const gone = await server.api.call('DELETE', key);
  expect(gone.json).toMatchObject({ error: 400, errorCode: 'API_KEY_NOT_FOUND' });
});

test('C3: a removal that was meant for one link leaves the next one alone', async () => {
  await using server = await startTestServer();
  const first = await linkHost(server);
  const removal = new LinkRemoval(operationContext(server));
  await removal.removeOne(first.linkId, null);
  const next = await linkHost(server);
  await removal.removeOne(first.linkId, null);
  expect(await links.find(server.store.db, next.linkId)).toMatchObject({ state: 'LINKED' });
  await removal.close();
});
