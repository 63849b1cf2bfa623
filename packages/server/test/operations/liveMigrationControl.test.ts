import type { Progress } from '@linkspan/contract/push/progress.ts';
import { expect, test } from 'vitest';
import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as events from '../../src/store/events.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as pushSessions from '../../src/store/pushSessions.ts';
import { apiClient, type Response, textOf } from '../support/api.ts';
import { linkHost, makeDestination, migrationBody } from '../support/link.ts';
import { READY } from '../support/progress.ts';
import { startTestServer, type TestServer } from '../support/server.ts';

const PROGRESS: Progress = {
  ...READY,
  lagSeconds: 1,
  documentsFlushed: 3,
  warnings: ['look at this'],
  rates: { documentsPerSecond: 1, bytesPerSecond: 1, changesPerSecond: 1, wireBytesPerSecond: 1 },
  etaSeconds: 3,
  holdingBack: 'SOURCE',
};

/** A server with one live migration of a linked host. */
async function startMigration(flags: Readonly<Record<string, string>> = {}) {
  const server = await startTestServer(flags);
  const { linkId } = await linkHost(server);
  const groupId = await makeDestination(server);
  const atlas = `/api/atlas/v2/groups/${groupId}/liveMigrations`;
  const made = await server.api.call('POST', atlas, { body: migrationBody(groupId) });
  const id = textOf(made, '_id');
  const own = `/api/linkspan/v1/groups/${groupId}/liveMigrations/${id}`;
  return {
    server,
    linkId,
    groupId,
    id,
    atlas: `${atlas}/${id}`,
    own,
    act: (verb: string): Promise<Response> => server.api.call('POST', `${own}/${verb}`),
    shown: async () => (await server.api.call('GET', own)).json,
    types: async () =>
      (await events.listByOrganization(server.store.db, server.orgId))
        .filter(({ target_id: target }) => target === id)
        .map(({ event_type: type }) => type),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

/** What the gateway does when a session opens and reports. */
async function work({ store }: TestServer, id: string, at = new Date()): Promise<void> {
  await store.transaction(async (tx) => {
    const epoch = (await liveMigrations.nextEpoch(tx, id)) ?? 0;
    await liveMigrations.setProgress(tx, id, epoch, JSON.stringify(PROGRESS), timestamp(at));
  });
}

test('pause and resume change nothing of what Atlas shows but the readiness', async () => {
  await using migration = await startMigration();
  const { server, id, linkId, atlas, act, shown } = migration;
  expect((await act('pause')).status).toBe(202);
  expect((await server.api.call('GET', atlas)).json).toMatchObject({ status: 'NEW' });
  expect(await shown()).toMatchObject({ state: 'PAUSED', paused: expect.any(String) as string });
  expect((await act('resume')).text).toBe('{}');
  await work(server, id);
  expect(await shown()).toMatchObject({
    state: 'WORKING',
    paused: null,
    readyForCutover: true,
    progress: { etaSeconds: 3, holdingBack: 'SOURCE', rates: { bytesPerSecond: 1 } },
    warnings: ['look at this'],
  });

  server.hooks.changed.length = 0;
  expect((await act('pause')).status).toBe(202);
  expect((await act('pause')).status).toBe(202);
  expect(server.hooks.changed).toContain(linkId);
  expect(server.hooks.held).toContain(id);
  expect((await server.api.call('GET', atlas)).json).toMatchObject({
    status: 'WORKING',
    readyForCutover: false,
  });
  expect(await shown(), 'I8: nothing tells of a pace that is none').toMatchObject({
    progress: { phase: 'TAILING', etaSeconds: null, holdingBack: null, rates: null },
  });
  const cutover = await server.api.call('PUT', `${atlas}/cutover`);
  expect(cutover.json).toMatchObject({ errorCode: 'LIVE_MIGRATION_NOT_READY_FOR_CUTOVER' });
  expect(cutover.text).toContain('it is paused');

  expect((await act('resume')).status).toBe(202);
  expect((await act('resume')).status).toBe(202);
  expect(await migration.types(), 'what changes nothing is no event').toEqual([
    'LIVE_MIGRATION_CREATED',
    'LIVE_MIGRATION_PAUSED',
    'LIVE_MIGRATION_RESUMED',
    'LIVE_MIGRATION_PAUSED',
    'LIVE_MIGRATION_RESUMED',
  ]);
});

test('I8: a paused migration falls behind, and says when nobody follows its source', async () => {
  await using migration = await startMigration();
  const { server, id, act, shown } = migration;
  await work(server, id, new Date(Date.now() - 600_000));
  await act('pause');
  const detail = (await shown()) as { lagTimeSeconds: number; warnings: string[] };
  expect(detail.lagTimeSeconds).toBeGreaterThanOrEqual(600);
  expect(detail.warnings.at(-1)).toMatch(/has not reported for 60\d seconds.*oplog/s);
});

test('a cutover that is under way is not paused, but it can be canceled', async () => {
  await using migration = await startMigration();
  const { server, id, act, shown } = migration;
  expect((await act('cutover')).json).toMatchObject({
    errorCode: 'LIVE_MIGRATION_NOT_READY_FOR_CUTOVER',
  });
  await work(server, id);
  expect((await act('cutover')).text).toBe('{}');
  expect(await shown()).toMatchObject({ state: 'CUTTING_OVER' });
  expect(await migration.types()).toContain('CLUSTER_IMPORT_CUTOVER');
  expect((await act('pause')).json).toMatchObject({
    error: 409,
    errorCode: 'LIVE_MIGRATION_CUTOVER_UNDER_WAY',
  });
  expect((await act('resume')).status, 'it is not paused').toBe(202);
  expect((await act('cancel')).status).toBe(202);
  const { db } = server.store;
  expect(await liveMigrations.setComplete(db, id, 1, '{}', timestamp())).toBe(false);
});

test('D1, D19: a comparison is asked for while it runs, not while it is paused or cut over', async () => {
  await using migration = await startMigration();
  const { server, id, act } = migration;
  await work(server, id);
  expect((await act('verify')).status).toBe(202);
  expect((await act('verify')).status).toBe(202);
  expect((await act('repair')).status).toBe(202);
  expect(await liveMigrations.find(server.store.db, id)).toMatchObject({
    verify_attempt: 2,
    repair_attempt: 1,
  });
  await act('pause');
  const refused = { error: 409, errorCode: 'LIVE_MIGRATION_NOT_VERIFIABLE' };
  expect((await act('repair')).json).toMatchObject(refused);
  await act('resume');
  await act('cutover');
  const cuttingOver = await act('verify');
  expect(cuttingOver.json).toMatchObject(refused);
  expect(cuttingOver.text).toContain('it is being cut over');
  await act('cancel');
  expect((await act('verify')).json).toMatchObject({ errorCode: 'LIVE_MIGRATION_NOT_ACTIVE' });
  expect((await migration.types()).filter((type) => /VERIF|REPAIR/.test(type))).toEqual([
    'LIVE_MIGRATION_VERIFICATION_REQUESTED',
    'LIVE_MIGRATION_VERIFICATION_REQUESTED',
    'LIVE_MIGRATION_REPAIR_REQUESTED',
  ]);
});

test('a canceled migration is FAILED, says who did it, and leaves room for another', async () => {
  await using migration = await startMigration();
  const { server, groupId, id, act, shown } = migration;
  await act('pause');
  const settled: string[] = [];
  server.hooks.settleMigration = async (which) => {
    settled.push(which);
    return null;
  };
  expect((await act('cancel')).text).toBe('{}');
  expect(settled).toEqual([id]);
  expect(await shown()).toMatchObject({
    status: 'FAILED',
    state: 'CANCELED',
    paused: null,
    failureReason: `Canceled by API key ${server.owner.publicKey}.`,
    warnings: [],
  });
  expect((await liveMigrations.find(server.store.db, id))?.password_sealed).toBeNull();
  expect((await act('cancel')).status, 'again is as the first time').toBe(202);
  for (const verb of ['pause', 'resume']) {
    expect((await act(verb)).json).toMatchObject({
      error: 409,
      errorCode: 'LIVE_MIGRATION_NOT_ACTIVE',
      parameters: [id, 'FAILED'],
    });
  }
  expect((await migration.types()).filter((type) => type.includes('CANCELLED'))).toHaveLength(1);
  const again = await server.api.call('POST', `/api/atlas/v2/groups/${groupId}/liveMigrations`, {
    body: migrationBody(groupId),
  });
  expect(again.status).toBe(201);
});

test('what failed or is complete is not canceled', async () => {
  await using migration = await startMigration();
  const { server, id, act } = migration;
  await liveMigrations.setEnded(server.store.db, id, 'FAILED', 'the source is gone', timestamp());
  expect((await act('cancel')).json).toMatchObject({
    error: 409,
    errorCode: 'LIVE_MIGRATION_NOT_ACTIVE',
  });
});

test('C3: a cancel without proof in time answers 503, goes on, and after a restart too', async () => {
  await using migration = await startMigration({ removalWaitSeconds: '1' });
  const { server, linkId, id, act, shown } = migration;
  const row = await liveMigrations.find(server.store.db, id);
  const sessionId = newId();
  await pushSessions.insert(server.store.db, {
    id: sessionId,
    migration_id: id,
    link_id: linkId,
    cluster_id: row?.cluster_id ?? '',
    epoch: 1,
    secret_hash: Buffer.alloc(32),
    state: 'OPEN',
    connection_name: 'linkspan test',
    opened_at: timestamp(),
  });
  // C2: a session that is still open is no proof, whatever the gateway says.
  const late = await act('cancel');
  expect(late.status).toBe(503);
  expect(late.headers['retry-after']).toBe('5');
  expect(late.text).toContain('cluster target');
  expect(late.text).not.toContain('hidden-password');
  expect(await shown()).toMatchObject({ state: 'CANCELED' });

  const asked = Promise.withResolvers<void>();
  server.hooks.settleMigration = async () => {
    await pushSessions.settle(server.store.db, sessionId);
    asked.resolve();
    return null;
  };
  await server.restart();
  await asked.promise;
  let canceled = await act('cancel');
  // On a busy machine the proof may take longer than the second that a request waits here.
  while (canceled.status === 503) canceled = await act('cancel');
  expect(canceled.status).toBe(202);
});

test('C9: only an owner of the organization, and only in the project that has it', async () => {
  await using migration = await startMigration();
  const { server, id, own } = migration;
  const elsewhere = await makeDestination(server, 'Elsewhere');
  const made = await server.api.call('POST', `/api/atlas/v2/orgs/${server.orgId}/apiKeys`, {
    body: { desc: 'member', roles: ['ORG_READ_ONLY'] },
  });
  const reader = apiClient(server.url, {
    publicKey: textOf(made, 'publicKey'),
    privateKey: textOf(made, 'privateKey'),
  });
  for (const verb of ['pause', 'resume', 'cancel']) {
    const foreign = `/api/linkspan/v1/groups/${elsewhere}/liveMigrations/${id}/${verb}`;
    expect((await server.api.call('POST', foreign)).status).toBe(404);
    expect((await reader.call('POST', `${own}/${verb}`)).status).toBe(401);
  }
  expect((await liveMigrations.find(server.store.db, id))?.status).toBe('NEW');
});
