import { setTimeout as delay } from 'node:timers/promises';
import type { LiveMigrationDetail } from '@linkspan/contract/api/liveMigrations.ts';
import { throughProxy } from '@linkspan/testkit/destinationSide.ts';
import { startProxy } from '@linkspan/testkit/proxy.ts';
import { beforeEach, expect, it, vi } from 'vitest';
import type { EngineHooks, EngineOptions } from '../src/migration/context.ts';
import { once, pair, withPair } from './support/enginePair.ts';
import { InProcessHost, type Run } from './support/inProcessHost.ts';

interface Numbered {
  _id: number;
  text: string;
}

/** As long as a busy machine takes. */
const LONG = { timeout: 120_000 };
/** More than a first reply of the source holds. */
const ROWS = 1200;
const TEXT = 'x'.repeat(600);
/** Ten ranges, of which this host copies one at a time. */
const OPTIONS: Partial<EngineOptions> = {
  rangeBytes: 64 * 1024,
  rangesAtMost: 10,
  rangesAtOnce: 1,
  slowStartMs: Infinity,
};

vi.setConfig({ testTimeout: 2 * LONG.timeout });

withPair();

beforeEach(async () => {
  await rows().insertMany(numbered(ROWS, TEXT));
});
const rows = (name = 'rows') => pair.app.collection<Numbered>(name);
const copied = (name = 'rows') => pair.copy.collection<Numbered>(name);
const numbered = (count: number, text: string): Numbered[] =>
  Array.from({ length: count }, (_, _id) => ({ _id, text }));
const furtherHost = (): Promise<InProcessHost> =>
  InProcessHost.linkFurther(pair.side, 'second.example.net');

/** The tracking host reads the first range and no more until `goes` is true, so that others are copied. */
async function startTracking(
  goes: () => boolean,
  sourceUri = pair.source.uri,
): Promise<{ id: string; run: Run }> {
  const id = await pair.side.start();
  return { id, run: await track(id, goes, sourceUri) };
}

async function track(id: string, goes: () => boolean, sourceUri = pair.source.uri): Promise<Run> {
  const hooks: EngineHooks = {
    afterRead: async (what) => {
      while (what === 'copy' && !goes()) await delay(10);
    },
  };
  return pair.run(id, { options: OPTIONS, hooks, sourceUri });
}

/** What ends each test: all of it is copied, counted once, cut over, and equal. */
async function finish(id: string): Promise<LiveMigrationDetail> {
  const isTailing = ({ progress }: LiveMigrationDetail) => progress?.phase === 'TAILING';
  const migration = await pair.side.until(id, 'tailing', isTailing, LONG.timeout);
  await pair.side.cutOver(id, LONG.timeout);
  await pair.expectEqual();
  return migration;
}

it('D16: a drop takes the ranges back that another host copies, and what it has read is not written', async () => {
  await using second = await furtherHost();
  let refused = 0;
  const beforeRangePush = once(async () => {
    await rows().drop();
    await rows().insertMany(numbered(5, 'new'));
    // The barrier is behind the tracking host once it copies the new collection.
    await expect.poll(() => copied().countDocuments({ text: 'new' }), LONG).toBe(5);
    refused += 1;
  });
  second.copyForOthers({ hooks: { beforeRangePush } });
  const { id } = await startTracking(() => true);
  await finish(id);
  expect(refused).toBe(1);
  expect(await copied().countDocuments()).toBe(5);
});

it('D7: what a host has read under a name that was another collection’s by then is never written', async () => {
  await using second = await furtherHost();
  await using proxy = await startProxy(Number(new URL(pair.source.uri).port));
  // The tracking host does not hear of the rename until another one has read.
  const heal = once(() => proxy.heal());
  const renaming = async (): Promise<void> => {
    proxy.freeze();
    await rows().rename('renamed');
    await rows().insertMany(numbered(ROWS, 'another'));
  };
  let renamed: Promise<void> | undefined;
  const beforeRange = (): Promise<void> => (renamed ??= renaming());
  await using stream = pair.copy.watch([], { showExpandedEvents: true });
  const early: unknown[] = [];
  const isSeen = Promise.withResolvers<void>();
  let isRenamedThere = false;
  stream.on('change', (event) => {
    if (event.operationType === 'rename') isRenamedThere = true;
    if (event.operationType !== 'insert') return;
    if (event.ns.coll === 'marker') isSeen.resolve();
    if (!isRenamedThere && event.fullDocument['text'] === 'another') early.push(event.documentKey);
  });
  second.copyForOthers({ hooks: { beforeRange, whileUntracked: heal, beforeRangePush: heal } });
  const { id } = await startTracking(() => true, throughProxy(pair.source.uri, proxy));
  await finish(id);
  await pair.copy.collection('marker').insertOne({});
  await isSeen.promise;
  expect(isRenamedThere).toBe(true);
  expect(early.length).toBe(0);
  expect(await copied('renamed').countDocuments({ text: TEXT })).toBe(ROWS);
});

it('D9, I3: the ranges of a host that dies are copied from what was acknowledged', async () => {
  await using second = await furtherHost();
  let isDead = false;
  const helping: Run = second.copyForOthers({
    options: { copyBatchBytes: 16 * 1024 },
    hooks: {
      beforeRangePush: async () => {
        pushes += 1;
        if (pushes < 6) return;
        if (!isDead) await helping.crash();
        isDead = true;
      },
    },
  });
  let pushes = 0;
  const { id } = await startTracking(() => isDead);
  const { progress } = await finish(id);
  expect(progress).toMatchObject({ documentsCopied: ROWS });
});

it('Hazard 1, I3, I5: what changes while others copy it is pushed later, also by a tracking host that is started again', async () => {
  await using second = await furtherHost();
  let isChanged = false;
  const afterRead = once(async () => {
    await rows().updateMany({ _id: { $mod: [3, 0] } }, { $set: { text: 'changed' } });
    await rows().deleteMany({ _id: { $mod: [3, 1] } });
    isChanged = true;
  });
  let pushes = 0;
  let isCrashed = false;
  const beforeRangePush = async (): Promise<void> => {
    pushes += 1;
    while (pushes > 1 && !isCrashed) await delay(10);
  };
  second.copyForOthers({ hooks: { afterRead, beforeRangePush } });
  const { id, run } = await startTracking(() => isCrashed);
  await expect.poll(() => isChanged && pushes > 0, LONG).toBe(true);
  await run.crash();
  isCrashed = true;
  const before = pushes;
  // It copies nothing more before the other host has some of it again.
  await track(id, () => pushes > before);
  await finish(id);
  expect(await copied().countDocuments({ text: 'changed' })).toBe(ROWS / 3);
});
