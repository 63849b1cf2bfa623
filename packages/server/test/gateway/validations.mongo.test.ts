import type { ValidationReport } from '@linkspan/contract/push/messages.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import { timestamp } from '../../src/domain/time.ts';
import * as clusters from '../../src/store/clusters.ts';
import * as validations from '../../src/store/validations.ts';
import { startPush, TestHost, type TestPush } from './push.ts';

let push: TestPush;
let host: TestHost;
beforeAll(async () => {
  push = await startPush();
  host = new TestHost(push.url);
  await host.register(push.token);
  await push.mongo.client().db('app').collection('taken').insertOne({});
  await push.mongo.client().db('app').createCollection('empty');
});
afterAll(async () => {
  await push?.[Symbol.asyncDispose]();
});

async function validate(
  report: Partial<ValidationReport>,
  dropDestinationData: 0 | 1 = 0,
): Promise<{ status: string; error_message: string | null; password_sealed: Uint8Array | null }> {
  const id = newId();
  const cluster = await push.store.db.selectFrom('clusters').selectAll().executeTakeFirstOrThrow();
  await validations.insert(push.store.db, {
    id,
    project_id: cluster.project_id,
    link_id: push.linkId,
    host_id: host.hostId,
    cluster_id: cluster.id,
    drop_destination_data: dropDestinationData,
    source: '{}',
    password_sealed: push.store.sealer.seal(validations.passwordIdentity(id), 'secret'),
    status: 'PENDING',
    findings: '[]',
    error_message: null,
    created_at: timestamp(),
    finished_at: null,
    namespaces: null,
    block_source_writes: 0,
  });
  const message = { findings: [], namespaces: [], dataBytes: 0, ...report };
  expect((await host.post(`/validations/${id}/report`, message)).status).toBe(204);
  expect((await host.post(`/validations/${id}/report`, message)).status, 'again').toBe(204);
  const row = await validations.findOfHost(push.store.db, host.hostId, id);
  if (row === undefined) throw new Error('the validation is gone');
  return row;
}

const namespaces = [
  { db: 'app', coll: 'taken' },
  { db: 'app', coll: 'empty' },
  { db: 'app', coll: 'new' },
];

test('a validation succeeds where nothing is in the way, and its password is erased', async () => {
  expect(await validate({ namespaces: namespaces.slice(1) })).toMatchObject({
    status: 'SUCCESS',
    error_message: null,
    password_sealed: null,
  });
  expect(await validate({ namespaces }, 1)).toMatchObject({ status: 'SUCCESS' });
});

test('a validation keeps what the destination says of itself', async () => {
  await push.store.db.updateTable('clusters').set({ facts: null }).execute();
  await validate({ namespaces });
  const { facts } = await push.store.db
    .selectFrom('clusters')
    .selectAll()
    .executeTakeFirstOrThrow();
  expect(JSON.parse(facts ?? '{}')).toEqual({
    mongoDBVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
    topology: 'ReplicaSet',
  });
});

test('a collection in the way fails it by name, beside what the source found', async () => {
  const findings = [
    {
      code: 'STANDALONE',
      severity: 'error' as const,
      message: 'Source appears to be a standalone',
    },
    { code: 'SMALL_OPLOG', severity: 'warning' as const, message: 'the oplog is small' },
  ];
  const row = await validate({ namespaces, findings });
  expect(row.status).toBe('FAILED');
  expect(row.error_message).toMatch(
    /^Source appears to be a standalone\nDestination cluster target already holds app\.taken:/,
  );
});

test('the connection test answers in coarse codes, without credentials (C13)', async () => {
  const test = (uri: string) => push.gateway.test(uri, AbortSignal.timeout(20_000));
  expect(await test(push.mongo.uri)).toMatchObject({ ok: true });
  const refused = await test('mongodb://user:secret@127.0.0.1:1/?serverSelectionTimeoutMS=300');
  expect(refused).toEqual({
    ok: false,
    code: 'CONNECTION_REFUSED',
    message: '127.0.0.1:1: connection refused',
  });
  expect(await push.gateway.test(push.mongo.uri, AbortSignal.abort())).toMatchObject({
    code: 'TIMED_OUT',
  });
  expect(await test('mongodb://no-such-host.invalid:27017')).toMatchObject({
    code: 'HOST_NOT_FOUND',
  });
});

test('a destination that cannot be reached fails the validation, naming host and reason', async () => {
  const { id } = await push.store.db.selectFrom('clusters').select('id').executeTakeFirstOrThrow();
  await clusters.setUri(push.store.db, id, {
    uri_sealed: push.store.sealer.seal(clusters.uriIdentity(id), 'mongodb://u:secret@127.0.0.1:1'),
    facts: null,
  });
  const row = await validate({});
  expect(row.error_message).toBe('Destination cluster target: 127.0.0.1:1: connection refused.');
});
