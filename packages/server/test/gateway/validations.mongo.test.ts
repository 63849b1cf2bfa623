import type { ValidationReport } from '@linkspan/contract/push/validation.ts';
import { beforeAll, expect, test } from 'vitest';

import { newId } from '../../src/domain/ids.ts';
import * as clusters from '../../src/store/clusters.ts';
import type { ValidationRow } from '../../src/store/schema.ts';
import * as validations from '../../src/store/validations.ts';
import { host, push, withHost } from './push.ts';
import { beginValidation } from './validation.ts';

withHost();

beforeAll(async () => {
  await push.mongo.client().db('app').collection('taken').insertOne({});
  await push.mongo.client().db('app').createCollection('empty');
});

async function validate(
  report: Partial<ValidationReport>,
  dropDestinationData: 0 | 1 = 0,
): Promise<ValidationRow> {
  const id = await beginValidation(push, host, dropDestinationData);
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

test('C4: a validation keeps what the destination says of itself, and tells where it has no fence', async () => {
  await push.store.db.updateTable('clusters').set({ facts: null }).execute();
  const { findings } = await validate({ namespaces });
  const isEnforced = push.mongo.capabilities.transactionOrder;
  expect(findings.includes('DESTINATION_FENCE_NOT_ENFORCED')).toBe(!isEnforced);
  const { facts } = await push.store.db
    .selectFrom('clusters')
    .selectAll()
    .executeTakeFirstOrThrow();
  expect(JSON.parse(facts ?? '{}')).toEqual({
    fence: isEnforced ? 'ENFORCED' : 'NOT_ENFORCED',
    mongoDBVersion: expect.stringMatching(/^\d+\.\d+\.\d+/),
    topology: 'ReplicaSet',
  });
});

test('Hazard 17: a collection in the way, by what is in it, fails it by name, beside what the source found', async () => {
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
    /^Source appears to be a standalone\nThe destination already holds .* target holds app\.taken\.$/,
  );
});

const SOURCE = {
  mongoDBVersion: '8.2.11',
  featureCompatibilityVersion: '8.2',
  replicaSetId: null,
  processId: null,
  clockOffsetMs: 0,
};

/** Without what every validation of a destination without the fence has. */
const codesIn = (findings: string): string[] =>
  (JSON.parse(findings) as { code: string }[])
    .map(({ code }) => code)
    .filter((code) => code !== 'DESTINATION_FENCE_NOT_ENFORCED');

async function codesOf(report: Partial<ValidationReport>): Promise<string[]> {
  const { findings } = await validate({ namespaces: [], ...report });
  return codesIn(findings);
}

test('a destination is compared with the source: identity, versions, clocks', async () => {
  const admin = push.mongo.client().db('admin');
  const hello = await admin.command({ hello: 1 });
  const processId = (hello['topologyVersion'] as { processId: { toHexString(): string } })
    .processId;
  const now = { source: SOURCE, sentAt: Date.now() };
  expect(await codesOf(now)).toEqual([]);
  expect(await codesOf({ source: { ...SOURCE, processId: processId.toHexString() } })).toEqual([
    'DESTINATION_IS_SOURCE',
  ]);
  const older = { ...SOURCE, featureCompatibilityVersion: '6.0' };
  expect(await codesOf({ source: older })).toEqual(['DESTINATION_NEWER']);
  const newer = { ...SOURCE, featureCompatibilityVersion: '9.0' };
  expect(await codesOf({ source: newer })).toEqual(['DESTINATION_OLDER']);
  const ahead = { ...SOURCE, clockOffsetMs: 60_000 };
  expect(await codesOf({ source: ahead, sentAt: Date.now() })).toEqual([
    'DESTINATION_CLOCK_DIFFERS',
  ]);
  expect(
    await codesOf({ source: ahead, sentAt: Date.now() - 60_000 }),
    'the agent is behind',
  ).toEqual([]);
});

test('what a migration needs is estimated, and compared with what is free', async () => {
  const size = {
    collections: 2,
    documents: 10,
    storageBytes: 1000,
    indexBytes: 500,
    readBytesPerSecond: 5000,
    sampledBytes: 100,
    linkBytesPerSecond: 2000,
    copySeconds: 3,
  };
  const row = await validate({ dataBytes: 6000, size });
  const codes = codesIn(row.findings);
  const estimate = JSON.parse(row.estimate ?? 'null') as Record<string, unknown>;
  expect(estimate).toMatchObject({
    collections: 2,
    documents: 10,
    dataBytes: 6000,
    copySeconds: 3,
    confidence: 'LOW',
    destinationBytesNeeded: 1800,
  });
  const isTold = estimate['destinationBytesFree'] !== null;
  expect(codes).toEqual(isTold ? [] : ['DESTINATION_DISK_SPACE_NOT_TOLD']);
});

test('a probe of the link is taken while its validation waits, up to a mebibyte', async () => {
  const id = await beginValidation(push, host);
  const probe = (bytes: number, of = id) =>
    host.post(`/validations/${of}/probe`, Buffer.alloc(bytes), {
      'content-type': 'application/octet-stream',
    });
  expect((await probe(1024 * 1024)).status).toBe(204);
  expect((await probe(1024 * 1024 + 1)).status).toBe(400);
  expect((await probe(10, newId())).status).toBe(409);
  await host.post(`/validations/${id}/report`, { findings: [], namespaces: [], dataBytes: 0 });
  expect((await probe(10)).status).toBe(409);
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
  expect(row.error_message).toBe(
    'The destination refuses connections: target, 127.0.0.1:1: connection refused.',
  );
});
