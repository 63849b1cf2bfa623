import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FINDINGS } from '@linkspan/contract/api/findings.ts';
import type { ValidationReport } from '@linkspan/contract/push/validation.ts';
import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { portOf, throughProxy } from '@linkspan/testkit/destinationSide.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openJournal } from '../src/journal/journal.ts';
import { begin } from '../src/migration/begin.ts';
import { Waiting } from '../src/migration/waiting.ts';
import { SourceUnreachableError, connectSource } from '../src/source/connection.ts';
import { describeSource } from '../src/source/identity.ts';
import type { Validated } from '../src/source/validation/check.ts';
import { checkAgentDisk } from '../src/source/validation/agentDisk.ts';
import { checkClock } from '../src/source/validation/clock.ts';
import { checkOplog } from '../src/source/validation/oplog.ts';
import { findUnreachable } from '../src/source/validation/reachability.ts';
import { checkTopology } from '../src/source/validation/topology.ts';
import { validateSource } from '../src/source/validation/validateSource.ts';

let mongodb: MongoDB;
let stateDirectory: string;

beforeAll(async () => {
  mongodb = await startMongoDB({ name: 'source' });
  stateDirectory = await mkdtemp(join(tmpdir(), 'linkspan-validation-'));
  const db = mongodb.client().db('app');
  const filler = 'x'.repeat(500);
  await db
    .collection('a')
    .insertMany(Array.from({ length: 3000 }, (_, n) => ({ n, filler, of: ['some', 'parts'] })));
  await db.collection('b').insertOne({ x: 1 });
  await db.createCollection('v', { viewOn: 'a', pipeline: [] });
});

afterAll(async () => {
  await mongodb.stop();
  await rm(stateDirectory, { recursive: true, force: true });
});

function validate(
  more: Partial<Validated> = {},
  linkBytesPerSecond: number | null = 1_000_000,
): Promise<ValidationReport> {
  const validated = {
    uri: mongodb.uri,
    namespaces: null,
    stateDirectory,
    writeBlock: null,
    ...more,
  };
  return validateSource(validated, async () => linkBytesPerSecond, new AbortController().signal);
}

/** By the start of a migration. */
async function expectRefused(uri: string, reason: RegExp): Promise<void> {
  using journal = openJournal(join(stateDirectory, `${randomUUID()}.sqlite`), 'm');
  const silent = (): void => undefined;
  const log = { debug: silent, info: silent, warn: silent, error: silent };
  const { signal } = new AbortController();
  const begun = begin({ signal, log, waiting: new Waiting() }, journal, uri);
  await expect(begun).rejects.toThrow(reason);
  expect(journal.state(), 'nothing has begun').toBeNull();
}

const codesOf = ({ findings }: ValidationReport): string[] => findings.map(({ code }) => code);

describe('the validation of a source', () => {
  it('Hazard 18: accepts a replica set, and tells what stays behind; every code is documented', async () => {
    const report = await validate();
    expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(codesOf(report)).toContain('USERS_AND_ROLES_STAY');
    for (const { code, severity, message } of report.findings) {
      const documented = FINDINGS[code as keyof typeof FINDINGS];
      expect(documented, code).toMatchObject({ severity });
      expect(message.startsWith(documented.text), message).toBe(true);
    }
    expect(report.namespaces).toContainEqual({ db: 'app', coll: 'v' });
  });

  it('measures what is to be moved, and how long that takes at the slower of two paces', async () => {
    const slow = await validate({}, 1000);
    expect(slow.size).toMatchObject({ collections: 2, documents: 3001 });
    expect(slow.dataBytes).toBeGreaterThan(3000 * 500);
    expect(slow.size?.sampledBytes).toBeGreaterThan(1_000_000);
    const { linkBytesPerSecond, copySeconds } = slow.size ?? {};
    // The filler is easy to compress, so the link takes more than its bytes.
    expect(linkBytesPerSecond).toBeGreaterThan(2000);
    expect(copySeconds).toBe(Math.ceil(slow.dataBytes / Number(linkBytesPerSecond)));
    const unknown = await validate({}, null);
    expect(unknown.size).toMatchObject({ linkBytesPerSecond: null });
    expect(unknown.size?.copySeconds).toBeLessThan(Number(copySeconds));
  });

  it('D23: tells before the cutover whether it can block writes', async () => {
    const forbidden = await validate({ writeBlock: { uri: mongodb.uri, isAllowed: false } });
    expect(codesOf(forbidden)[0]).toBe('WRITE_BLOCK_NOT_ALLOWED');
    const wanted = await validate({ writeBlock: { uri: mongodb.uri, isAllowed: true } });
    const expected = mongodb.capabilities.userWriteBlock
      ? 'WRITE_BLOCK_EFFECTS'
      : 'WRITE_BLOCK_UNAVAILABLE';
    expect(codesOf(wanted)).toContain(expected);
  });

  it('names host and reason of a source that is not there, and no password', async () => {
    const uri = 'mongodb://who:s3cret@127.0.0.1:1/?serverSelectionTimeoutMS=300';
    const report = await validate({ uri });
    expect(report.findings).toMatchObject([{ code: 'SOURCE_UNREACHABLE', severity: 'error' }]);
    expect(report.findings[0]?.message).toMatch(
      /^Could not reach specified source: 127\.0\.0\.1:1/,
    );
    expect(JSON.stringify(report)).not.toContain('s3cret');
  });

  it('tells of a check that breaks by its name, and of all others', async () => {
    const report = await validate({ stateDirectory: join(stateDirectory, 'gone') });
    expect(codesOf(report)).toContain('USERS_AND_ROLES_STAY');
    const broken = report.findings.find(({ code }) => code === 'SOURCE_CHECK_FAILED');
    expect(broken?.message).toContain('state directory: ENOENT');
  });
});

describe('a check', () => {
  it.each([
    ['getaddrinfo ENOTFOUND db1', 'SOURCE_HOST_NOT_FOUND'],
    ['Authentication failed.', 'SOURCE_AUTHENTICATION_FAILED'],
    ["ENOENT: no such file or directory, open '/ca.pem'", 'SOURCE_CA_FILE_INVALID'],
    ['self-signed certificate', 'SOURCE_TLS_FAILED'],
    ['connection timed out', 'SOURCE_UNREACHABLE'],
  ])('takes "%s" for %s', (message, code) => {
    expect(findUnreachable(new SourceUnreachableError(message), mongodb.uri).code).toBe(code);
  });

  it('D24: refuses a source whose configuration does not journal majority writes', async ({
    skip,
  }) => {
    if (!mongodb.capabilities.control) skip('needs a source that this test started');
    const config = { _id: 'rs', writeConcernMajorityJournalDefault: false };
    await using proxy = await startAnsweringProxy(portOf(mongodb.uri), {
      replSetGetConfig: { config },
    });
    const uri = throughProxy(mongodb.uri, proxy);
    const report = await validate({ uri });
    expect(report.findings[0]).toMatchObject({
      code: 'SOURCE_MAJORITY_NOT_JOURNALED',
      severity: 'error',
    });
    await expectRefused(uri, /^the source acknowledges majority writes before/);
  });

  it('D24: refuses a sharded cluster', async ({ skip }) => {
    if (!mongodb.capabilities.control) skip('needs a source that this test started');
    const hello = {
      isWritablePrimary: true,
      msg: 'isdbgrid',
      minWireVersion: 0,
      maxWireVersion: 21,
      logicalSessionTimeoutMinutes: 30,
    };
    await using proxy = await startAnsweringProxy(portOf(mongodb.uri), { hello });
    const uri = throughProxy(mongodb.uri, proxy);
    const report = await validate({ uri });
    expect(report.findings[0]).toMatchObject({ code: 'SOURCE_SHARDED', severity: 'error' });
    await expectRefused(uri, /^the source is a sharded cluster/);
  });

  it('looks at what is to be moved alone, under its names of the destination', async () => {
    const all = await validate();
    const [first] = all.namespaces;
    const rename = [{ from: first!.db, to: 'elsewhere' }];
    const report = await validate({
      namespaces: { include: [`${first!.db}.${first!.coll}`, 'gone'], exclude: [], rename },
    });
    expect(report.namespaces).toEqual([{ db: 'elsewhere', coll: first!.coll }]);
    expect(report.dataBytes).toBeLessThanOrEqual(all.dataBytes);
    expect(codesOf(report)).toContain('PATTERN_MATCHES_NOTHING');
  });

  it('D24, D5, Hazard 10: looks at journaling, version, oplog, disk and clock', async () => {
    await using source = await connectSource(mongodb.uri);
    const facts = await describeSource(source);
    const validated = { uri: mongodb.uri, namespaces: null, stateDirectory, writeBlock: null };
    const context = { ...validated, source, listed: [], everything: [] };
    const inspected = { ...context, facts, dataBytes: 0, copySeconds: 60 };
    expect(await checkTopology(inspected)).toEqual([]);
    const old = { ...facts, majorityJournaled: false, mongoDBVersion: '5.0.1' };
    expect((await checkTopology({ ...inspected, facts: old })).map(({ code }) => code)).toEqual([
      'SOURCE_MAJORITY_NOT_JOURNALED',
      'SOURCE_WITHOUT_STRUCTURE_EVENTS',
    ]);
    expect(await checkOplog(inspected)).toMatchObject([{ code: 'OPLOG_WINDOW' }]);
    expect(await checkClock(inspected)).toEqual([]);
    const huge = { ...inspected, dataBytes: Number.MAX_SAFE_INTEGER };
    expect(await checkAgentDisk(huge)).toMatchObject([{ code: 'AGENT_DISK_SPACE_LOW' }]);
  });
});
