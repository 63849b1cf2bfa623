import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shareOf, Throttle, type ThrottleClock } from '../src/migration/throttle.ts';

/** Time that passes only where somebody sleeps, or where a test says so. */
class FakeClock implements ThrottleClock {
  time = 0;
  #sleepers: { readonly at: number; readonly wake: () => void }[] = [];

  now(): number {
    return this.time;
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#sleepers.push({ at: this.time + milliseconds, wake: resolve });
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    if (signal.aborted) reject(signal.reason as Error);
    return promise;
  }

  /** Lets time pass, and everybody do what they do with it. */
  async pass(milliseconds: number): Promise<void> {
    const end = this.time + milliseconds;
    for (;;) {
      await settle();
      const next = Math.min(...this.#sleepers.map(({ at }) => at));
      if (next > end) break;
      this.time = next;
      const due = this.#sleepers.filter(({ at }) => at <= next);
      this.#sleepers = this.#sleepers.filter(({ at }) => at > next);
      for (const { wake } of due) wake();
    }
    this.time = end;
    await settle();
  }
}

/** Every promise that can go on has gone on. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

const never = new AbortController().signal;
const limits = (bytesPerSecond: number | null, documentsPerSecond: number | null) => ({
  bytesPerSecond,
  documentsPerSecond,
});

/** When each of some pushes, asked for at once, was let through. */
function startAll(
  throttle: Throttle,
  clock: FakeClock,
  pushes: readonly { documents: number; bytes: number }[],
): { readonly index: number; readonly at: number }[] {
  const passed: { index: number; at: number }[] = [];
  for (const [index, { documents, bytes }] of pushes.entries()) {
    void throttle.take(documents, bytes, never).then(() => passed.push({ index, at: clock.time }));
  }
  return passed;
}

describe('Throttle', () => {
  it('lets everything through at once without limits', async () => {
    const clock = new FakeClock();
    const throttle = new Throttle(null, clock);
    const passed = startAll(throttle, clock, Array(50).fill({ documents: 9999, bytes: 1e9 }));
    await settle();
    expect(passed).toHaveLength(50);
    expect(throttle.documentsAtOnce).toBe(Infinity);
  });

  it('lets through what the slower of both limits allows, in the order of asking', async () => {
    const clock = new FakeClock();
    const throttle = new Throttle(limits(1000, 10), clock);
    const passed = startAll(throttle, clock, [
      { documents: 10, bytes: 100 },
      { documents: 5, bytes: 100 },
      { documents: 1, bytes: 1000 },
    ]);
    await clock.pass(10_000);
    // A second's worth of documents is there; then half of one comes in; then the bytes are full.
    expect(passed.map(({ index }) => index)).toEqual([0, 1, 2]);
    expect(passed.map(({ at }) => at)).toEqual([0, 500, 600]);
  });

  it('saves up no more than a second, and makes one large document wait for those after it', async () => {
    const clock = new FakeClock();
    const throttle = new Throttle(limits(100, null), clock);
    await clock.pass(60_000);
    const passed = startAll(throttle, clock, [
      { documents: 1, bytes: 1000 },
      { documents: 1, bytes: 100 },
    ]);
    await clock.pass(60_000);
    expect(passed.map(({ at }) => at - 60_000)).toEqual([0, 10_000]);
  });

  it('changes while somebody waits', async () => {
    const clock = new FakeClock();
    const throttle = new Throttle(limits(1, null), clock);
    const passed = startAll(throttle, clock, [
      { documents: 1, bytes: 1000 },
      { documents: 1, bytes: 1000 },
    ]);
    await clock.pass(1000);
    expect(passed).toHaveLength(1);
    throttle.set(limits(1_000_000, null));
    await clock.pass(2);
    expect(passed).toHaveLength(2);
    throttle.set(limits(1, null));
    const slow = startAll(throttle, clock, [{ documents: 1, bytes: 1 }]);
    throttle.set(null);
    await settle();
    expect(slow).toHaveLength(1);
  });

  it('stops waiting with its signal, and does not hold up those behind', async () => {
    const clock = new FakeClock();
    const throttle = new Throttle(limits(10, null), clock);
    await throttle.take(1, 100, never);
    const stop = new AbortController();
    const first = throttle.take(1, 10, stop.signal);
    const second = throttle.take(1, 10, never);
    stop.abort(new Error('stopped'));
    await expect(first).rejects.toThrow('stopped');
    await clock.pass(20_000);
    await second;
  });

  it('cuts documents into what may be pushed at once, and leaves a large one alone', () => {
    const [small, large] = [Buffer.alloc(4), Buffer.alloc(100)];
    const lengths = (throttle: Throttle, documents: Buffer[]) =>
      [...throttle.cut(documents)].map((run) => run.map(({ length }) => length));
    const documents = [small, small, large, small];
    const clock = new FakeClock();
    expect(lengths(new Throttle(limits(10, null), clock), documents)).toEqual([[4, 4], [100], [4]]);
    expect(lengths(new Throttle(limits(null, 3), clock), documents)).toEqual([[4, 4, 100], [4]]);
    expect(lengths(new Throttle(null, clock), documents)).toEqual([[4, 4, 100, 4]]);
    const half = Buffer.alloc(9 * 1024 * 1024);
    expect(lengths(new Throttle(null, clock), [half, half])).toHaveLength(2);
  });

  it('never lets more through in any time than its limits and one second more', async () => {
    const push = fc.record({ documents: fc.integer({ min: 1, max: 20 }), bytes: fc.nat(200) });
    await fc.assert(
      fc.asyncProperty(fc.array(push, { minLength: 1, maxLength: 60 }), async (pushes) => {
        const clock = new FakeClock();
        const rate = { bytesPerSecond: 200, documentsPerSecond: 20 };
        const passed = startAll(new Throttle(rate, clock), clock, pushes);
        await clock.pass(3_600_000);
        expect(passed.map(({ index }) => index)).toEqual(pushes.map((_, index) => index));
        for (const [from, first] of passed.entries()) {
          let documents = 0;
          let bytes = 0;
          for (const { index, at } of passed.slice(from)) {
            documents += pushes[index]?.documents ?? 0;
            bytes += pushes[index]?.bytes ?? 0;
            const seconds = (at - first.at) / 1000 + 1.01;
            expect(documents).toBeLessThanOrEqual(rate.documentsPerSecond * seconds + 1);
            expect(bytes).toBeLessThanOrEqual(rate.bytesPerSecond * seconds + 1);
          }
        }
      }),
      { numRuns: 40 },
    );
  });
});

describe('the throttle of a migration that several hosts copy', () => {
  it('holds for all together', () => {
    const limits = fc.record({
      bytesPerSecond: fc.option(fc.integer({ min: 1 })),
      documentsPerSecond: fc.option(fc.integer({ min: 1 })),
    });
    fc.assert(
      fc.property(limits, fc.integer({ min: 0, max: 100 }), (all, copying) => {
        const share = shareOf(all, copying);
        for (const what of ['bytesPerSecond', 'documentsPerSecond'] as const) {
          const limit = all[what];
          if (limit === null) expect(share?.[what]).toBeNull();
          // One a second is the least that a limit can say.
          else expect((share?.[what] ?? 0) * (copying + 1)).toBeLessThanOrEqual(limit + copying);
        }
      }),
    );
    expect(shareOf(null, 3)).toBeNull();
  });
});
