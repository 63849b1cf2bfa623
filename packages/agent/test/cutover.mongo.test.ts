import { startAnsweringProxy } from '@linkspan/testkit/answeringProxy.ts';
import { compareClusters } from '@linkspan/testkit/compare.ts';
import {
  type DestinationSide,
  portOf,
  startDestinationSide,
  throughProxy,
} from '@linkspan/testkit/destinationSide.ts';
import { type MongoDB, startMongoDB } from '@linkspan/testkit/mongodb.ts';
import { type Document, Long } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { CutoverStep } from '../src/migration/context.ts';
import { InProcessHost, type Run, type RunOptions } from './support/inProcessHost.ts';

/** Steps at which all is drained, so that a write is one too many. */
const AFTER_THE_DRAIN = ['UNIQUE_INDEXES', 'VERIFY', 'TTL_LIVE', 'COMPARE', 'LOOK_AGAIN'] as const;
const EVERY_STEP = ['BLOCK_WRITES', 'DRAIN', ...AFTER_THE_DRAIN] as const;
const INERT_SECONDS = 2_147_483_647;

interface Numbered extends Document {
  _id: number;
}

const SILENT = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

let source: MongoDB;
let destination: MongoDB;
let side: DestinationSide;
let host: InProcessHost;
let next = 1000;

beforeAll(async () => {
  source = await startMongoDB({ name: 'source' });
  destination = await startMongoDB({ name: 'destination' });
  side = await startDestinationSide({ source, destination });
  host = await InProcessHost.link(side);
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await side[Symbol.asyncDispose]();
  await source.stop();
  await destination.stop();
});

beforeEach(async () => {
  await source.client().db('app').dropDatabase();
  await collection('a').insertMany(
    Array.from({ length: 50 }, (_, _id) => ({ _id, text: `t${_id}` })),
  );
  await collection('a').createIndex({ text: 1 }, { unique: true });
  await collection('a').createIndex({ at: 1 }, { expireAfterSeconds: 3600 });
});

const collection = (name: string) => source.client().db('app').collection<Numbered>(name);
const copied = (name: string) => destination.client().db('app').collection<Numbered>(name);

async function write(): Promise<void> {
  next += 1;
  await collection('a').insertOne({ _id: next, text: `t${next}` });
}

async function expectEqual(): Promise<void> {
  expect((await compareClusters(source.uri, destination.uri)).differences).toEqual([]);
}

/** A migration whose cutover does what `at` says before each step. */
async function migrate(
  at: (step: CutoverStep) => Promise<unknown> | undefined,
  { hooks = {}, ...rest }: RunOptions = {},
): Promise<{ id: string; run: Run }> {
  const id = await side.start({ dropDestinationData: true });
  const beforeCutoverStep = async (step: CutoverStep): Promise<void> => void (await at(step));
  return { id, run: await host.run(id, { hooks: { ...hooks, beforeCutoverStep }, ...rest }) };
}

/** Asks for a cutover that fails. @returns why */
async function failure(id: string): Promise<string> {
  const { cutover: before } = await side.describe(id);
  await side.askForCutover(id);
  const { status, cutover } = await side.until(
    id,
    'a failed cutover',
    (migration) => migration.cutover.attempt > before.attempt && migration.cutover.failure !== null,
  );
  expect(status, 'it goes on').toBe('WORKING');
  return cutover.failure ?? '';
}

async function indexOf(name: string): Promise<Document | undefined> {
  return (await copied('a').indexes()).find((index) => index.name === name);
}

describe('a cutover', () => {
  it('D21, D22, Hazard 16: a write before any step after the drain fails it, one before the drain does not', async () => {
    let writeAt: CutoverStep | null = null;
    const { id, run } = await migrate((step) => (step === writeAt ? write() : undefined));
    for (writeAt of AFTER_THE_DRAIN) {
      expect(await failure(id), writeAt).toContain('was written after the cutover began');
      await expect
        .poll(() => indexOf('at_1'), { timeout: 10_000 })
        .toMatchObject({ expireAfterSeconds: INERT_SECONDS });
      await expect.poll(() => indexOf('text_1'), { timeout: 10_000 }).toBeUndefined();
    }
    writeAt = 'DRAIN';
    await side.cutOver(id);
    expect(await run.ended).toBeNull();
    expect(await indexOf('at_1')).toMatchObject({ expireAfterSeconds: 3600 });
    await expectEqual();
  });

  it('D21: a transaction that commits after the drain fails it', async () => {
    const session = source.client().startSession();
    const { id } = await migrate((step) =>
      step === 'LOOK_AGAIN' && session.inTransaction() ? session.commitTransaction() : undefined,
    );
    session.startTransaction();
    await collection('a').insertOne({ _id: 500, text: 'open' }, { session });
    if (source.capabilities.userWriteBlock) {
      // A mongod says that it is open.
      expect(await failure(id)).toContain('transactions are open');
      await session.commitTransaction();
    } else {
      expect(await failure(id)).toContain('was written after the cutover began');
    }
    await session.endSession();
    await side.cutOver(id);
    await expectEqual();
  });

  it('D21: a source that fails when it is asked is asked again', async ({ skip }) => {
    if (!source.capabilities.failCommand) skip('the source has no failCommand');
    const fail = () =>
      source
        .client()
        .db('admin')
        .command({
          configureFailPoint: 'failCommand',
          mode: { times: 2 },
          data: { failCommands: ['find'], errorCode: 6, appName: 'linkspan-agent' },
        });
    const isAsked = (step: CutoverStep): boolean => step === 'DRAIN' || step === 'LOOK_AGAIN';
    const { id } = await migrate((step) => (isAsked(step) ? fail() : undefined));
    await side.cutOver(id);
    await expectEqual();
  });

  it('D21, D22: a source that is away ends the cutover, not the migration', async ({ skip }) => {
    if (!source.capabilities.control) skip('the source cannot be killed');
    let isUp = true;
    const { id, run } = await migrate(
      (step) => {
        if (step !== 'DRAIN' || !isUp) return undefined;
        isUp = false;
        return source.kill();
      },
      {
        options: { drainMs: 1500 },
        sourceUri: `${source.uri}&serverSelectionTimeoutMS=500`,
      },
    );
    const ended = run.ended.then((error) => `the run has ended: ${error?.stack}`);
    expect(await Promise.race([failure(id), ended])).toMatch(
      /did not come to rest within 2 seconds .*ECONNREFUSED/,
    );
    await source.restart();
    await run.stop();
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('D21: what a TTL deletes at the source is no write, also after a start of the agent', async () => {
    const first = await migrate(() => undefined);
    await side.until(first.id, 'ready', ({ readyForCutover }) => readyForCutover);
    await first.run.stop();
    const beforeCutoverStep = async (step: CutoverStep): Promise<void> => {
      if (step === 'UNIQUE_INDEXES') await collection('a').deleteMany({ _id: { $lt: 5 } });
    };
    await host.run(first.id, { hooks: { beforeCutoverStep } });
    await side.cutOver(first.id);
    await expectEqual();
    expect(await copied('a').countDocuments()).toBe(45);
  });

  it('D5: a collection that listings wrongly took for absent fails it, first or last', async ({
    skip,
  }) => {
    if (!source.capabilities.control) skip('needs a source that this test started');
    const answers: Record<string, Document> = {};
    await using proxy = await startAnsweringProxy(portOf(source.uri), answers);
    let [from, to]: (CutoverStep | null)[] = ['COMPARE', null];
    const { id, run } = await migrate(
      async (step) => {
        const none = { id: Long.ZERO, ns: 'app.$cmd.listCollections', firstBatch: [] };
        if (step === from) answers['listCollections'] = { cursor: none };
        if (step === to) delete answers['listCollections'];
      },
      { sourceUri: throughProxy(source.uri, proxy) },
    );
    expect(await failure(id)).toContain('app.a: not at the source any more as it was known');
    delete answers['listCollections'];
    [from, to] = ['DRAIN', 'LOOK_AGAIN'];
    expect(await failure(id)).toContain('app.a is at the source and was not moved: cut over again');
    [from, to] = [null, null];
    await side.cutOver(id);
    expect(await run.ended).toBeNull();
    await expectEqual();
    await run.stop();
  });

  it('D22: fails where the writes go on, where the destination is changed or the server away', async () => {
    let now: 'busy' | 'changed' | 'away' = 'busy';
    const at = async (step: CutoverStep): Promise<void> => {
      if (step === 'DRAIN' && now === 'busy') await write();
      if (step === 'COMPARE' && now === 'changed') await copied('a').createIndex({ other: 1 });
      if (step === 'UNIQUE_INDEXES' && now === 'away') await side.server.kill();
    };
    let isCuttingOver = false;
    const hooks = {
      afterRead: async () => void (isCuttingOver && now === 'busy' && (await write())),
    };
    const watched = (step: CutoverStep): Promise<void> => {
      isCuttingOver = true;
      return at(step);
    };
    const failed = Promise.withResolvers<void>();
    const log = {
      ...SILENT,
      warn: (_fields: object, message: string): void => {
        if (now === 'away' && message === 'the cutover failed') failed.resolve();
      },
    };
    // Long enough for the drains between, which have to come through.
    const { id, run } = await migrate(watched, { hooks, options: { drainMs: 4000 }, log });
    expect(await failure(id)).toMatch(/did not come to rest within 4 seconds .*keys are still/);
    now = 'changed';
    expect(await failure(id)).toContain('the structure of the destination changed');
    now = 'away';
    await side.askForCutover(id);
    await failed.promise;
    await side.server.restart();
    const away = await side.until(id, 'told why', ({ cutover }) => cutover.failure !== null);
    expect(away.cutover.failure).toMatch(
      /building unique indexes had to wait for 4 seconds .*cannot be reached/,
    );
    // With the time that a cutover has: how soon the server is tried again is not told here.
    await run.stop();
    await host.run(id);
    await side.cutOver(id);
    await expectEqual();
  });

  it('I3: goes on after the agent was stopped before every step, and before the last word', async () => {
    const id = await side.start({ dropDestinationData: true });
    const places = [...EVERY_STEP, 'the server is told'];
    for (const place of places) {
      const reached = Promise.withResolvers<void>();
      const held = Promise.withResolvers<never>();
      const hold = async (at: string): Promise<void> => {
        if (at !== place) return;
        reached.resolve();
        await held.promise;
      };
      const run = await host.run(id, {
        hooks: {
          beforeCutoverStep: hold,
          beforeCompleteIsTold: () => hold('the server is told'),
        },
      });
      if (place === places[0]) await side.askForCutover(id);
      await reached.promise;
      await stop(run, held);
      await write();
    }
    expect((await side.describe(id)).cutover).toMatchObject({ attempt: 1, underWay: true });
    await host.run(id);
    await side.until(id, 'COMPLETE', ({ status }) => status === 'COMPLETE');
    await expectEqual();
  });

  it('I3: goes on after the server was killed in every phase, and tells it the end until it knows', async () => {
    const left = new Set<string>(['DRAIN', 'VERIFY', 'TTL_LIVE']);
    const at = async (step: CutoverStep): Promise<void> => {
      if (left.delete(step)) await side.server.restart();
    };
    const killed = Promise.withResolvers<void>();
    const hooks = {
      beforeCompleteIsTold: async () => {
        await side.server.kill();
        killed.resolve();
      },
    };
    const { id, run } = await migrate(at, { hooks });
    await side.askForCutover(id);
    await killed.promise;
    expect([...left]).toEqual([]);
    await side.server.restart();
    await side.until(id, 'COMPLETE', ({ status }) => status === 'COMPLETE');
    expect(await run.ended).toBeNull();
    await expectEqual();
  });

  it('I3: is COMPLETE where the agent was stopped before it learnt that', async () => {
    const told = Promise.withResolvers<void>();
    const held = Promise.withResolvers<never>();
    const hooks = {
      afterCompleteIsTold: () => {
        told.resolve();
        return held.promise;
      },
    };
    const { id, run } = await migrate(() => undefined, { hooks });
    await side.askForCutover(id);
    await told.promise;
    await stop(run, held);
    expect((await side.describe(id)).status).toBe('COMPLETE');
    expect(await host.status(id)).toBe('COMPLETE');
    await expectEqual();
  });
});

/** As a crash would, in the middle of what is held. */
async function stop(run: Run, held: PromiseWithResolvers<never>): Promise<void> {
  held.promise.catch(() => undefined);
  const stopped = run.stop();
  held.reject(new Error('stopped by the test'));
  await stopped;
}
