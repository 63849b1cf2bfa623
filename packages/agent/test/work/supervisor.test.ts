import type { WorkItem } from '@linkspan/contract/push/work.ts';
import { pino } from 'pino';
import { expect, test } from 'vitest';

import {
  GivenBackError,
  LinkRefusedError,
  MigrationEndedError,
  MigrationPausedError,
  SessionFencedError,
} from '../../src/push/errors.ts';
import { JournalUnusableError } from '../../src/journal/errors.ts';
import { Interruption } from '../../src/work/interruption.ts';
import {
  Supervisor,
  type CopyRun,
  type MigrationRun,
  type PausedRun,
} from '../../src/work/supervisor.ts';

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
  track: (run: PausedRun, signal: AbortSignal) => Promise<void> = async () => undefined,
  copy: (run: CopyRun, signal: AbortSignal) => Promise<void> = async () => undefined,
) {
  const refused = Promise.withResolvers<LinkRefusedError>();
  const validated: string[] = [];
  const told: string[] = [];
  const supervisor = new Supervisor({
    migrate,
    track,
    validate: async ({ id }) => void validated.push(id),
    copy,
    tellInterrupted: async ({ id }, reason) => void told.push(`${id}: ${reason}`),
    fencedPauseMs: 20,
    log: pino({ level: 'silent' }),
    onRefused: refused.resolve,
  });
  return { supervisor, refused: refused.promise, validated, told };
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
  const { supervisor } = supervise(all.migrate, (run, signal) =>
    followed.migrate(run as MigrationRun, signal),
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

const INTERRUPTED = 'it was interrupted and is begun again: ';

test('I8: why a run was interrupted is told at once and by the next one, without secrets', async () => {
  const all = runs();
  const { supervisor, told } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  const first = await all.until(1);
  expect(first.interrupted()).toBeNull();
  const token = `lslt_${'x'.repeat(20)}`;
  first.settle.reject(new Error(`mongodb://reader:hidden@home:1/ refuses ${token}`));
  const reason = `${INTERRUPTED}mongodb://***@home:1/ refuses lslt_***`;
  const second = await all.until(2);
  expect([told, second.interrupted()]).toEqual([[`m1: ${reason}`], reason]);
  second.settle.reject(new MigrationPausedError('told to pause'));
  expect((await all.until(3)).interrupted()).toBeNull();
  expect(told).toHaveLength(1);
});

test('I8: why nobody follows a paused migration is told in the same way, until it is resumed', async () => {
  const [all, followed] = [runs(), runs()];
  const { supervisor, told } = supervise(all.migrate, (run, signal) =>
    followed.migrate(run as MigrationRun, signal),
  );
  supervisor.apply([migration('m1', 0, true)]);
  (await followed.until(1)).settle.reject(new Error('no such table'));
  const second = await followed.until(2);
  const reason = `${INTERRUPTED}no such table`;
  expect([told, second.interrupted()]).toEqual([[`m1: ${reason}`], reason]);
  supervisor.apply([migration('m1')]);
  second.settle.reject(second.signal.reason);
  expect((await all.until(1)).interrupted()).toBeNull();
});

test('I8: what another process or the status itself tells of is not told again', async () => {
  const all = runs();
  const { supervisor, told } = supervise(all.migrate);
  supervisor.apply([migration('m1')]);
  const errors = [
    new SessionFencedError('a newer one'),
    new GivenBackError(),
    new JournalUnusableError('the disk is full'),
  ];
  for (const [index, error] of errors.entries()) {
    (await all.until(index + 1)).settle.reject(error);
    expect((await all.until(index + 2)).interrupted()).toBeNull();
  }
  expect(told).toEqual([]);
});

test.each([
  { lastedMs: 5, toldForMs: 10_000 },
  { lastedMs: 60_000, toldForMs: 120_000 },
  { lastedMs: 24 * 3_600_000, toldForMs: 600_000 },
])(
  'I8: a run of $lastedMs ms that was interrupted is told of for the first $toldForMs ms of the next',
  ({ lastedMs, toldForMs }) => {
    let now = 1_000_000;
    const interruption = new Interruption(() => now);
    interruption.began();
    now += lastedMs;
    interruption.ended(new Error(''));
    now += 10_000;
    interruption.began();
    now += toldForMs - 1;
    expect(interruption.reason).toBe(`${INTERRUPTED}Error`);
    now += 1;
    expect(interruption.reason).toBeNull();
  },
);

test('I5, I8: the server is told of interruptions once a minute, so that it does not take this for who pushes', () => {
  let now = 0;
  const interruption = new Interruption(() => now);
  const told = [0, 10_000, 59_000, 61_000].filter((at) => {
    now = at;
    interruption.began();
    return interruption.ended(new Error('no')) !== null;
  });
  expect(told).toEqual([0, 61_000]);
  expect(interruption.reason).toBe(`${INTERRUPTED}no`);
});
