import type { WorkReply } from '@linkspan/contract/push/work.ts';
import { expect, test } from 'vitest';

import type { GatewayContext } from '../../src/gateway/context.ts';
import { reportPaused, reportProgress } from '../../src/gateway/reports.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as events from '../../src/store/events.ts';
import * as links from '../../src/store/links.ts';
import * as liveMigrations from '../../src/store/liveMigrations.ts';
import * as migrationHosts from '../../src/store/migrationHosts.ts';
import * as validations from '../../src/store/validations.ts';
import { READY } from '../support/progress.ts';
import { startPush, TestHost, host, push, withHost } from './push.ts';
import { beginValidation } from './validation.ts';

withHost();

test('C6: an unlinked host is refused from then on, and nothing is removed', async () => {
  const { db } = push.store;
  const migrationId = await push.makeMigration(host);
  const session = await host.session(migrationId);
  expect((await session.collection('app', 'c')).status).toBe(200);
  expect((await session.post('report', READY)).status).toBe(204);
  await liveMigrations.requestCutover(db, migrationId);
  const reportedAt = (await liveMigrations.find(db, migrationId))?.progress_at;
  const validationId = await beginValidation(push, host);
  const first = (await host.post('/work', { knownRevision: null, waitSeconds: 0 })).json;
  const { revision } = first as unknown as WorkReply;
  // Under way while the host unlinks: it must not go on waiting, nor tell of work.
  const poll = host.post('/work', { knownRevision: revision, waitSeconds: 30 });

  expect((await host.post('/unlink', { why: 'x' })).code).toBe('MESSAGE_INVALID');
  expect((await host.post('/unlink', {})).status).toBe(204);

  expect(await poll).toMatchObject({ status: 401, code: 'LINK_REFUSED' });
  const refused = [
    await host.post('/unlink', {}),
    await host.post('/inventory', {}),
    await host.open(migrationId),
    await session.documents({}, [{ _id: 1 }]),
    await session.post('report', READY),
  ];
  for (const { status, code, json } of refused) {
    expect({ status, code }).toEqual({ status: 401, code: 'LINK_REFUSED' });
    expect(json['detail']).toContain('unlinked from the source side');
  }
  expect((await host.register(push.token)).code).toBe('LINK_TOKEN_REFUSED');

  expect((await links.find(db, push.linkId))?.state).toBe('LINKED');
  expect((await migrationHosts.find(db, host.hostId))?.unlinked_at).toMatch(/Z$/);
  const migration = await liveMigrations.find(db, migrationId);
  // Its lag ages from the last report, and it is not ready for a cutover that nobody would do.
  expect(migration).toMatchObject({ status: 'WORKING', progress_at: reportedAt });
  expect(migration).toMatchObject({ cutover_attempt: 1, cutover_failed_attempt: 1 });
  expect(JSON.parse(migration?.progress ?? '')).toEqual({
    ...READY,
    readyForCutover: false,
    waitingFor: 'The migration host was unlinked from the source side.',
    rates: null,
    etaSeconds: null,
    holdingBack: 'WAITING',
  });
  expect(await validations.findOfHost(db, host.hostId, validationId)).toMatchObject({
    status: 'FAILED',
    error_message: 'The migration host was unlinked from the source side.',
    password_sealed: null,
  });
  const recorded = (await events.listByOrganization(db, push.orgId))
    .filter(({ host_id }) => host_id === host.hostId)
    .map(({ event_type }) => event_type);
  expect(recorded).toEqual([
    'LIVE_MIGRATION_HOST_REGISTERED',
    'CLUSTER_IMPORT_STARTED',
    'LIVE_MIGRATION_WINDOW_BEGAN',
    'LIVE_MIGRATION_HOST_UNLINKED',
    'CLUSTER_IMPORT_VALIDATION_FAIL',
    'LIVE_MIGRATION_CUTOVER_FAILED',
  ]);
});

test('I8: a paused migration of an unlinked host is not ready once resumed, whatever arrives late', async () => {
  await using other = await startPush();
  const source = new TestHost(other.url);
  expect((await source.register(other.token)).status).toBe(200);
  const { db } = other.store;
  const migrationId = await other.makeMigration(source);
  const session = await source.session(migrationId);
  expect((await session.post('report', READY)).status).toBe(204);
  await liveMigrations.setPaused(db, migrationId, timestamp());
  expect((await source.post('/unlink', {})).status).toBe(204);

  // Authenticated before the host was unlinked, carried out after.
  const context = { store: other.store } as GatewayContext;
  const row = await migrationHosts.find(db, source.hostId);
  const link = await links.find(db, other.linkId);
  const principal = { host: row!, link: link!, remoteAddress: '127.0.0.1' };
  await reportPaused(context, principal, migrationId, { ...READY, warnings: ['late'] });
  await liveMigrations.setResumed(db, migrationId);
  const claim = { sessionId: 'x', migrationId, epoch: session.opened.epoch };
  await reportProgress(context, { principal, claim }, { ...READY, warnings: ['late'] });

  const migration = await liveMigrations.find(db, migrationId);
  expect(JSON.parse(migration?.progress ?? '')).toMatchObject({
    readyForCutover: false,
    waitingFor: 'The migration host was unlinked from the source side.',
    warnings: [],
  });
});
