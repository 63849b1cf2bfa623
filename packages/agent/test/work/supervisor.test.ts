import type { MigrationWork, WorkItem } from '@linkspan/contract/push/work.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';

import {
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
  SessionFencedError,
} from '../../src/push/errors.ts';
import { Supervisor, type CopyRun, type MigrationRun } from '../../src/work/supervisor.ts';

const SOURCE = {
  projectId: 'a'.repeat(24),
  clusterName: 'rs0',
  managedAuthentication: true,
  username: null,
  password: null,
  ssl: false,
  caCertificatePath: null,
};

function migration(id: string, cutoverAttempt = 0, paused = false): WorkItem {
  return { kind: 'migration', id, source: SOURCE, cutoverAttempt, paused };
}

/** Runs that the test settles; `next` waits for the next start. */
function runs() {
  const started: (MigrationRun & { signal: AbortSignal; settle: PromiseWithResolvers<void> })[] =
    [];
  let notify = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  return {
    get started() {
      return started;
    },
    get most() {
      return most;
    },
    async until(count: number) {
      while (started.length < count) await notify.promise;
      return started[count - 1]!;
    },
    migrate: async (run: MigrationRun, signal: AbortSignal): Promise<void> => {
      running += 1;
      most = Math.max(most, running);
      const settle = Promise.withResolvers<void>();
      started.push({ ...run, signal, settle });
      notify.resolve();
      notify = Promise.withResolvers();
      try {
        await settle.promise;
      } finally {
        running -= 1;
      }
    },
  };
}

function supervise(
  migrate: (run: MigrationRun, signal: AbortSignal) => Promise<void>,
  track: (work: MigrationWork, signal: AbortSignal) => Promise<void> = async () => undefined,
  copy: (run: CopyRun, signal: AbortSignal) => Promise<void> = async () => undefined,
) {
  const refused = Promise.withResolvers<LinkRefusedError>();
  const validated: string[] = [];
  const supervisor = new Supervisor({
    migrate,
    track,
    validate: async ({ id }) => void validated.push(id),
    copy,
    fencedPauseMs: 20,
    log: pino({ level: 'silent' }),
    onRefused: refused.resolve,
  });
  return { supervisor, refused: refused.promise, validated };
}

test('starts what is wanted once, and tells it of cutovers', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  const run = await all.until(1);
  let told = 0;
  run.onWork(() => (told += 1));
  supervisor.apply([migration('m1')]);
  supervisor.apply([migration('m1', 2)]);
  expect([all.started.length, told, run.cutoverAttempt()]).toEqual([1, 1, 2]);
});

test('a change of the throttle reaches the runner, and nothing else does', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  const run = await all.until(1);
  let told = 0;
  run.onWork(() => (told += 1));
  const throttle = { bytesPerSecond: 1000, documentsPerSecond: null };
  const throttled = (): WorkItem => ({ ...migration('m1'), throttle: { ...throttle } }) as WorkItem;
  supervisor.apply([throttled()]);
  supervisor.apply([throttled()]);
  expect([all.started.length, told, run.throttle()]).toEqual([1, 1, throttle]);
  supervisor.apply([migration('m1')]);
  expect([told, run.throttle()]).toEqual([2, null]);
});

test('ranges are copied for another host until they are no work any more, at the pace of now', async () => {
  const begun = Promise.withResolvers<{ run: CopyRun; signal: AbortSignal }>();
  const { supervisor } = supervise(
    async () => undefined,
    undefined,
    (run, signal) => {
      begun.resolve({ run, signal });
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(signal.reason)),
      );
    },
  );
  const copy = { kind: 'copy', id: 's1', migrationId: 'm1', source: SOURCE } as const;
  supervisor.apply([copy]);
  const { run, signal } = await begun.promise;
  expect(run.throttle()).toBeNull();
  const throttle = { bytesPerSecond: null, documentsPerSecond: 10 };
  let told = 0;
  run.onWork(() => (told += 1));
  supervisor.apply([{ ...copy, throttle }]);
  expect([told, run.throttle()]).toEqual([1, throttle]);
  supervisor.apply([]);
  expect(signal.aborted).toBe(true);
});

test('never two runners of one migration: a stopped one has ended before it starts again', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  const first = await all.until(1);
  supervisor.apply([]);
  expect(first.signal.aborted).toBe(true);
  supervisor.apply([migration('m1')]);
  expect(all.started).toHaveLength(1);
  first.settle.reject(first.signal.reason);
  await all.until(2);
  expect(all.most).toBe(1);
});

test('what failed is started again, what ended is not', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  (await all.until(1)).settle.reject(new Error('the source went away'));
  (await all.until(2)).settle.reject(new MigrationEndedError('cancelled'));
  supervisor.apply([migration('m1'), migration('m2')]);
  await all.until(3);
  expect(all.started.map(({ work }) => work.id)).toEqual(['m1', 'm1', 'm2']);
});

test('a pause ends the runner before its changes are followed, and the other way round', async () => {
  const all = runs();
  const followed = runs();
  const { supervisor } = supervise(all.migrate, (work, signal) =>
    followed.migrate({ work } as MigrationRun, signal),
  );
  supervisor.apply([migration('m1')]);
  const first = await all.until(1);
  supervisor.apply([migration('m1', 0, true)]);
  expect(first.signal.reason).toBeInstanceOf(MigrationPausedError);
  expect(followed.started).toHaveLength(0);
  first.settle.reject(first.signal.reason);
  const tracking = await followed.until(1);
  supervisor.apply([migration('m1', 0, true)]);
  expect(tracking.signal.aborted).toBe(false);
  supervisor.apply([migration('m1')]);
  expect(all.started).toHaveLength(1);
  tracking.settle.reject(tracking.signal.reason);
  await all.until(2);
});

test('a runner that was told to pause starts again although no list of work says so', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  (await all.until(1)).settle.reject(new MigrationPausedError('paused'));
  await all.until(2);
});

test('a refused link is passed on, and stop ends the rest', async () => {
  const all = runs();
  const { supervisor, refused } = supervise(all.migrate);
  supervisor.apply([migration('m1'), migration('m2')]);
  const second = await all.until(2);
  all.started[0]?.settle.reject(new LinkRefusedError('removed'));
  const reason = await refused;
  const stopped = supervisor.stop(reason);
  expect(second.signal.reason).toBe(reason);
  second.settle.resolve();
  await stopped;
  supervisor.apply([migration('m3')]);
  expect(all.started).toHaveLength(2);
});

test('a validation runs once while it is wanted', async () => {
  const { supervisor, validated } = supervise(runs().migrate);
  const item = { kind: 'validation', id: 'v1', source: SOURCE } as const;
  supervisor.apply([item]);
  supervisor.apply([item]);
  await supervisor.stop(new Error('done'));
  expect(validated).toEqual(['v1']);
});

test('I5: a runner that was fenced goes on later, and only where the newer one has gone', async () => {
  const all = runs();
  const { supervisor } = supervise(all.migrate);
  supervisor.apply([migration('a'.repeat(24))]);
  const first = await all.until(1);
  expect(first.wasFenced()).toBe(false);
  first.settle.reject(new SessionFencedError('a newer one'));
  const second = await all.until(2);
  expect(second.wasFenced()).toBe(true);
  second.settle.reject(new SessionFencedError('it still reports'));
  const third = await all.until(3);
  third.settle.resolve();
  await supervisor.stop(new Error('done'));
  expect(all.started).toHaveLength(3);
});
