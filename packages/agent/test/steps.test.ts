import { Int32, Timestamp, serialize } from 'bson';
import { describe, expect, it } from 'vitest';
import { ByteBudget } from '../src/migration/budget.ts';
import { cutBySize } from '../src/source/cutBySize.ts';
import { TrackedGate } from '../src/migration/gate.ts';
import { wantedIndexes, wantedOptions } from '../src/migration/indexes.ts';
import { IncarnationLocks } from '../src/migration/locks.ts';
import { Notifier } from '../src/migration/notifier.ts';
import { AcknowledgedPrefix } from '../src/migration/prefix.ts';
import { pickBounds } from '../src/migration/ranges.ts';
import { placeOfToken } from '../src/source/resumeToken.ts';

const never = new AbortController().signal;
const key = (id: unknown): Buffer => Buffer.from(serialize({ _id: id }));

describe('AcknowledgedPrefix', () => {
  it('D9: goes on only without a gap', () => {
    const reached: number[] = [];
    const prefix = new AcknowledgedPrefix<number>((slots) => reached.push(...slots));
    const [a, b, c] = [prefix.begin(), prefix.begin(), prefix.begin()];
    c(3);
    b(2);
    expect(reached).toEqual([]);
    a(1);
    expect(reached).toEqual([1, 2, 3]);
  });
});

describe('TrackedGate', () => {
  it('D7: a time is passed once the stream shows there is no more at it', async () => {
    const gate = new TrackedGate({ time: 5n, through: false });
    expect(gate.hasPassed(4n)).toBe(true);
    expect(gate.hasPassed(5n)).toBe(false);
    const waited = gate.waitFor(6n, never);
    expect(gate.isWaitedFor).toBe(true);
    gate.advance({ time: 6n, through: true });
    await waited;
    expect(gate.isWaitedFor).toBe(false);
  });

  it('ends the wait when the migration stops', async () => {
    const stop = new AbortController();
    const gate = new TrackedGate({ time: 0n, through: false });
    const waited = gate.waitFor(1n, stop.signal);
    stop.abort(new Error('stopped'));
    await expect(waited).rejects.toThrow('stopped');
  });
});

describe('IncarnationLocks', () => {
  it('D16: a drop waits for what is in flight, and what comes later waits for it', async () => {
    const locks = new IncarnationLocks();
    const order: string[] = [];
    const push = Promise.withResolvers<void>();
    const first = locks.shared(1, async () => {
      await push.promise;
      order.push('push');
    });
    const drop = locks.exclusive(1, async () => void order.push('drop'));
    const later = locks.shared(1, async () => void order.push('later push'));
    await locks.shared(2, async () => void order.push('other collection'));
    push.resolve();
    await Promise.all([first, drop, later]);
    expect(order).toEqual(['other collection', 'push', 'drop', 'later push']);
    expect(locks.size, 'I6').toBe(0);
  });

  it('I6: keeps no lock of what failed, and the same one while someone waits', async () => {
    const locks = new IncarnationLocks();
    const order: string[] = [];
    const first = locks.exclusive(1, async () => {
      order.push('first');
      throw new Error('refused');
    });
    const second = locks.exclusive(1, async () => {
      order.push('second begins');
      await Promise.resolve();
      order.push('second ends');
    });
    await expect(first).rejects.toThrow('refused');
    const third = locks.shared(1, async () => void order.push('third'));
    await Promise.all([second, third]);
    expect(order).toEqual(['first', 'second begins', 'second ends', 'third']);
    expect(locks.size).toBe(0);
  });
});

describe('Notifier', () => {
  it('does not lose a wake-up between looking and waiting', async () => {
    const notifier = new Notifier();
    const { version } = notifier;
    notifier.notify();
    await notifier.wait(version, 60_000, never);
  });
});

describe('ByteBudget', () => {
  it('I6: holds back what does not fit, and lets one large thing pass alone', async () => {
    const budget = new ByteBudget(10);
    await budget.acquire(100, never);
    let passed = false;
    const second = budget.acquire(1, never).then(() => (passed = true));
    await Promise.resolve();
    expect(passed).toBe(false);
    budget.release(100);
    await second;
  });
});

describe('cutBySize', () => {
  it('cuts at the limit and leaves a large document alone', () => {
    const [small, large] = [Buffer.alloc(4), Buffer.alloc(100)];
    const runs = [...cutBySize([small, small, large, small], 10)];
    expect(runs.map((run) => run.map(({ length }) => length))).toEqual([[4, 4], [100], [4]]);
  });
});

describe('indexes by stage', () => {
  const plain = { key: { a: 1 }, name: 'a_1' };
  const unique = { key: { b: 1 }, name: 'b_1', unique: true };
  const ttl = { key: { c: 1 }, name: 'c_1', expireAfterSeconds: 60 };
  const inert = { ...ttl, expireAfterSeconds: 2_147_483_647 };
  const all = [plain, unique, ttl];

  it('D22: unique ones after the drain, TTL ones inert until the end', () => {
    expect(wantedIndexes(all, 'COPYING', 'tail')).toEqual([]);
    expect(wantedIndexes(all, 'COPIED', 'tail')).toEqual([plain, inert]);
    expect(wantedIndexes(all, 'COPIED', 'unique')).toEqual([plain, unique, inert]);
    expect(wantedIndexes(all, 'COPIED', 'final')).toEqual(all);
    // Older servers keep a flag as it was given, and one that is to become unique refuses, too.
    const flags = [
      { ...unique, unique: new Int32(1) },
      { ...plain, prepareUnique: true },
      { ...plain, unique: new Int32(0) },
    ];
    expect(wantedIndexes(flags, 'COPIED', 'tail')).toEqual(flags.slice(2));
    const expiring = { expireAfterSeconds: 5, validator: {} };
    expect(wantedOptions(expiring, 'tail')).toEqual({ validator: {} });
    expect(wantedOptions(expiring, 'final')).toEqual(expiring);
  });
});

describe('pickBounds', () => {
  it('spreads bounds over the samples, without two that compare equal', () => {
    const sorted = [1, 1, 1, 1, 2, 3, 4, 5].map(key);
    expect(pickBounds(sorted, 4)).toEqual([key(1), key(2), key(4)]);
    expect(pickBounds([1, 1, 1, 1].map(key), 4)).toEqual([key(1)]);
    expect(pickBounds([], 4)).toEqual([]);
  });
});

describe('placeOfToken', () => {
  const token = (data: string): Buffer => Buffer.from(serialize({ _data: data }));

  it('reads the tokens of a mongod', () => {
    expect(placeOfToken(token('8263A5C8D8000000012B0229296E04'))).toEqual({
      time: (0x63a5c8d8n << 32n) | 1n,
      highWaterMark: true,
    });
    expect(
      placeOfToken(token('8263A5C8D8000000022B022C0100296E5A1004AABBCCDDEEFF00112233445566778899')),
    ).toEqual({ time: (0x63a5c8d8n << 32n) | 2n, highWaterMark: false });
  });

  it('reads the tokens of SecantusDB', () => {
    const hex = (n: string): string =>
      Buffer.from(serialize({ s: 7, t: new Timestamp({ t: 100, i: 2 }), n, k: {} })).toString(
        'hex',
      );
    expect(placeOfToken(token(hex('admin.$cmd.aggregate')))).toEqual({
      time: (100n << 32n) | 2n,
      highWaterMark: true,
    });
    expect(placeOfToken(token(hex('shop.orders')))?.highWaterMark).toBe(false);
  });

  it('claims nothing of tokens that it does not know', () => {
    expect(placeOfToken(token('ffff'))).toBeUndefined();
    expect(placeOfToken(token('00'.repeat(20)))).toBeUndefined();
    expect(placeOfToken(key(1))).toBeUndefined();
  });
});
