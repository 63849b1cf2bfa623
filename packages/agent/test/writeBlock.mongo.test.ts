import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WriteBlockRecords } from '../src/journal/writeBlockRecords.ts';
import { WriteBlock, type WriteBlockHooks } from '../src/migration/writeBlock.ts';
import { WriteBlockRefusedError, isWriteBlocked } from '../src/source/writeBlock.ts';
import { unblockSources } from '../src/work/unblock.ts';
import { outcomeOfReply, type Outcome } from '../src/work/outcome.ts';
import { WriteBlocks, type WriteBlocksOptions } from '../src/work/writeBlocks.ts';
import { blockable } from './support/blockable.ts';

const OF = { migrationId: 'a'.repeat(24), projectId: 'b'.repeat(24), clusterName: 'home' };
const SINCE = '2026-01-01T00:00:00.000Z';
const LOG = pino({ level: 'silent' });
const PATIENT = new AbortController().signal;

let source: MongoDB;
let directory: string;
let records: WriteBlockRecords;

beforeAll(async () => {
  source = await startMongoDB({ name: 'source' });
});

afterAll(async () => {
  await source.stop();
});

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'linkspan-write-block-'));
  records = new WriteBlockRecords(directory);
  return () => rm(directory, { recursive: true, force: true });
});

function writeBlock(hooks: WriteBlockHooks = {}, isAllowed = true): WriteBlock {
  return new WriteBlock({ records, of: OF, uri: source.uri, isAllowed, log: LOG, hooks });
}

const projects = (uri = source.uri) => [
  {
    id: OF.projectId,
    name: 'Tests',
    deployments: [{ name: OF.clusterName, uri, allowWriteBlock: true }],
  },
];

/** What a host does that has started again: `outcome` is what its server says. */
async function startAgain(outcome: Outcome, how: Partial<WriteBlocksOptions> = {}) {
  const outcomeOf = async (): Promise<Outcome> => outcome;
  const options = { records, projects: projects(), outcomeOf, log: LOG, ...how };
  await new WriteBlocks(options).lift(AbortSignal.timeout(20_000));
  return records.list()[0]?.state;
}

/** As the server gives it. */
const WORK = {
  kind: 'migration',
  id: OF.migrationId,
  source: {
    ...OF,
    managedAuthentication: true,
    username: null,
    password: null,
    ssl: false,
    caCertificatePath: null,
  },
  cutoverAttempt: 1,
  blockSourceWrites: true,
} as const;

const crash = async (): Promise<never> => {
  throw new Error('a crash');
};

describe('a write block', () => {
  it('D23: of a source that cannot, or whose side does not allow it, is refused and not recorded', async ({
    skip,
  }) => {
    await expect(writeBlock({}, false).set(PATIENT)).rejects.toThrow(
      /set allowWriteBlock: true .* home/,
    );
    expect(records.list()).toEqual([]);
    if (source.capabilities.userWriteBlock) skip('the source can block writes');
    const set = writeBlock().set(PATIENT);
    await expect(set).rejects.toThrow(WriteBlockRefusedError);
    await expect(set).rejects.toThrow(/MongoDB 6.0 or newer .* stop the application's writes/);
    expect(records.list()).toEqual([]);
  });

  it('D23: is recorded before it is set; a crash in between leaves what the next start lifts', async () => {
    await expect(writeBlock({ afterRecorded: crash }).set(PATIENT)).rejects.toThrow('a crash');
    expect(records.list()).toMatchObject([{ ...OF, state: 'HELD' }]);
    expect(await startAgain('NOT_COMPLETE')).toBeUndefined();
    expect(await isWriteBlocked(source.uri)).not.toBe(true);
  });

  it('D23: the server knows of its record before it is set, and nothing is set without', async () => {
    const seen: string[] = [];
    const block = writeBlock({
      afterRecorded: async () => void seen.push('recorded'),
      afterSet: async () => void seen.push('set'),
    });
    expect(block.report()).toEqual({ sourceWriteBlock: false });
    block.onRecorded = async () => {
      seen.push(`told ${block.report().sourceWriteBlock}`);
      throw new Error('the server is away');
    };
    await expect(block.set(PATIENT)).rejects.toThrow('the server is away');
    expect(seen).toEqual(['recorded', 'told true']);
    expect(await isWriteBlocked(source.uri)).not.toBe(true);
    await block.lift();
    expect(block.report()).toEqual({ sourceWriteBlock: false });
  });

  it('D23: what another host has set is recorded, told and lifted by the one that follows it, if it may', async () => {
    const following = writeBlock();
    following.adopt();
    expect(records.list()).toMatchObject([{ ...OF, state: 'HELD' }]);
    expect(following.report()).toEqual({ sourceWriteBlock: true });
    if (source.capabilities.userWriteBlock) {
      await source.client().db('admin').command({ setUserWriteBlockMode: 1, global: true });
    }
    await following.lift();
    expect(await isWriteBlocked(source.uri)).not.toBe(true);
    expect(records.list()).toEqual([]);
    // Where its configuration does not allow it, the server goes on knowing of it.
    const forbidden = writeBlock({}, false);
    forbidden.adopt();
    expect(records.list()).toEqual([]);
    expect(forbidden.report()).toEqual({});
  });

  it('D23: a crash while it is lifted leaves its record, and it is lifted again', async () => {
    records.write({ ...OF, state: 'HELD', since: SINCE });
    await expect(writeBlock({ afterLifted: crash }).lift()).rejects.toThrow('a crash');
    expect(records.list()).toMatchObject([{ state: 'HELD' }]);
    expect(await startAgain('NOT_COMPLETE')).toBeUndefined();
  });

  it('D23: a host that comes back lifts only what no other host answers for, and nothing of what is COMPLETE', async ({
    skip,
  }) => {
    if (!source.capabilities.control) skip('needs a source that this test started');
    await using blocked = await blockable(source);
    const found = async (outcome: Outcome, how: Partial<WriteBlocksOptions> = {}) => {
      blocked.isBlocked = true;
      records.write({ ...OF, state: 'HELD', since: SINCE });
      const state = await startAgain(outcome, { projects: projects(blocked.uri), ...how });
      return { isBlocked: blocked.isBlocked, state };
    };
    expect(await found('ELSEWHERE')).toEqual({ isBlocked: true, state: undefined });
    expect(await found('COMPLETE')).toEqual({ isBlocked: true, state: 'KEPT' });
    expect(await found('NOT_COMPLETE')).toEqual({ isBlocked: false, state: undefined });
    // Nobody says whose it is: it is asked again, but not for ever.
    expect(await found('UNKNOWN')).toEqual({ isBlocked: true, state: 'HELD' });
    expect(await found('UNKNOWN', { patienceMs: 0 })).toEqual({
      isBlocked: false,
      state: undefined,
    });
  });

  it("D23: a host is told whether a write block of it is another host's now", () => {
    const [elsewhere, writeBlockLeft] = [true, true] as const;
    expect(outcomeOfReply({ status: 'COMPLETE' })).toBe('COMPLETE');
    for (const status of ['NEW', 'WORKING', 'FAILED', 'EXPIRED'] as const) {
      expect(outcomeOfReply({ status })).toBe('NOT_COMPLETE');
    }
    expect(outcomeOfReply({ status: 'COMPLETE', elsewhere, writeBlockLeft })).toBe('ELSEWHERE');
    expect(outcomeOfReply({ status: 'WORKING', elsewhere })).toBe('ELSEWHERE');
    expect(outcomeOfReply({ status: 'WORKING', elsewhere, writeBlockLeft })).toBe('NOT_COMPLETE');
    expect(outcomeOfReply({ status: 'FAILED', elsewhere })).toBe('NOT_COMPLETE');
  });

  it('D23: what an earlier run has left is lifted before a push session is open, and not asked for where the server gives the work', async () => {
    const asked: string[] = [];
    const outcomeOf = async ({ state }: { state: string }): Promise<Outcome> => {
      asked.push(state);
      return state === 'HELD' ? 'UNKNOWN' : 'NOT_COMPLETE';
    };
    const blocks = new WriteBlocks({ records, projects: projects(), outcomeOf, log: LOG });
    for (const state of ['HELD', 'COMPLETING'] as const) {
      records.write({ ...OF, state, since: SINCE });
      using claim = await blocks.claim(WORK, PATIENT);
      expect(claim.writeBlock?.state).toBeNull();
    }
    expect(asked).toEqual(['COMPLETING']);
  });

  it('D23: one that two live migrations of a host use stays until both let go, and after one is COMPLETE', async ({
    skip,
  }) => {
    if (!source.capabilities.control) skip('needs a source that this test started');
    await using blocked = await blockable(source);
    const of = (digit: string): WriteBlock =>
      new WriteBlock({
        records,
        of: { ...OF, migrationId: digit.repeat(24) },
        uri: blocked.uri,
        isAllowed: true,
        log: LOG,
      });
    const [one, two] = [of('1'), of('2')];
    await one.set(PATIENT);
    await two.set(PATIENT);
    expect(records.list()).toHaveLength(2);
    await one.lift();
    expect([one.state, blocked.isBlocked]).toEqual([null, true]);
    await two.lift();
    expect([two.state, blocked.isBlocked]).toEqual([null, false]);

    await one.set(PATIENT);
    await two.set(PATIENT);
    two.keep();
    await one.lift();
    expect([two.state, blocked.isBlocked]).toEqual(['KEPT', true]);
    // Somebody lifts it at the source: what was kept keeps nothing from being lifted any more.
    blocked.isBlocked = false;
    await one.set(PATIENT);
    expect(two.state).toBeNull();
    await one.lift();
    expect(blocked.isBlocked).toBe(false);

    await one.set(PATIENT);
    await two.set(PATIENT);
    two.keep();
    await unblockSources(directory, projects(blocked.uri), '1'.repeat(24));
    expect([two.state, blocked.isBlocked], 'one command lifts in any case').toEqual([
      'KEPT',
      false,
    ]);
  });

  it('Hazard 15: whether COMPLETE was taken decides what a crash at the end leaves', async () => {
    const leave = (): void => records.write({ ...OF, state: 'COMPLETING', since: SINCE });
    leave();
    expect(await startAgain('UNKNOWN'), 'nobody knows yet').toBe('COMPLETING');
    expect(await startAgain('NOT_COMPLETE')).toBeUndefined();
    leave();
    expect(await startAgain('COMPLETE')).toBe('KEPT');
    expect(await startAgain('NOT_COMPLETE'), 'that stays until somebody lifts it').toBe('KEPT');
    expect(await unblockSources(directory, projects())).toMatchObject([{ problem: null }]);
    expect(records.list()).toEqual([]);
  });

  it('Hazard 15: is lifted as soon as its cutover does not hold it any more', async () => {
    const outcomeOf = async (): Promise<Outcome> => 'UNKNOWN';
    const options = { records, projects: projects(), outcomeOf, log: LOG, periodMs: 60_000 };
    const blocks = new WriteBlocks(options);
    const stop = new AbortController();
    const running = blocks.run(stop.signal);
    const claim = await blocks.claim(WORK, PATIENT);
    await claim.writeBlock?.set(PATIENT).catch(() => undefined);
    records.write({ ...OF, state: 'HELD', since: SINCE });
    await blocks.lift(stop.signal);
    expect(records.list(), 'it is in use').toHaveLength(1);
    claim[Symbol.dispose]();
    await expect.poll(() => records.list(), { timeout: 10_000 }).toEqual([]);
    // One that was given from another host.
    const following = await blocks.claim({ ...WORK, writeBlockLeft: true }, PATIENT);
    expect(records.list()).toMatchObject([{ ...OF, state: 'HELD' }]);
    following[Symbol.dispose]();
    await expect.poll(() => records.list(), { timeout: 10_000 }).toEqual([]);
    stop.abort();
    await running;
  });

  it('D23: one that somebody else has set is neither recorded nor lifted', async ({ skip }) => {
    if (!source.capabilities.userWriteBlock) skip('the source has no setUserWriteBlockMode');
    const admin = source.client().db('admin');
    await admin.command({ setUserWriteBlockMode: 1, global: true });
    const block = writeBlock();
    await block.set(PATIENT);
    await block.lift();
    expect(await isWriteBlocked(source.uri)).toBe(true);
    await admin.command({ setUserWriteBlockMode: 1, global: false });
    expect(await block.isStillSet()).toBe(false);
  });

  it('D23: stops writes from when it is set until it is lifted', async ({ skip }) => {
    if (!source.capabilities.userWriteBlock) skip('the source has no setUserWriteBlockMode');
    const block = writeBlock();
    await block.set(PATIENT);
    const insert = () => source.client().db('app').collection('a').insertOne({ x: 1 });
    await expect(insert()).rejects.toThrow(/blocked/);
    expect(await block.isStillSet()).toBe(true);
    expect(await unblockSources(directory, projects())).toMatchObject([{ problem: null }]);
    await insert();
    expect(await block.isStillSet()).toBe(false);
  });

  it('D23: a source that is away keeps its record, and is lifted when it is back', async ({
    skip,
  }) => {
    if (!source.capabilities.control) skip('the source cannot be killed');
    records.write({ ...OF, state: 'HELD', since: SINCE });
    await source.kill();
    const impatient = [
      {
        ...projects()[0],
        deployments: [
          {
            name: OF.clusterName,
            uri: `${source.uri}&serverSelectionTimeoutMS=500`,
            allowWriteBlock: true,
          },
        ],
      },
    ] as ReturnType<typeof projects>;
    const [failed] = await unblockSources(directory, impatient);
    expect(failed?.problem).toContain('ECONNREFUSED');
    expect(records.list()).toHaveLength(1);
    await source.restart();
    expect(await startAgain('NOT_COMPLETE')).toBeUndefined();
  });

  it('D23: of a deployment that is not in the configuration any more is told of by name', async () => {
    records.write({ ...OF, state: 'HELD', since: SINCE });
    const [failed] = await unblockSources(directory, []);
    expect(failed?.problem).toContain('has no deployment "home" in the configuration');
    expect(records.list()).toHaveLength(1);
  });
});
