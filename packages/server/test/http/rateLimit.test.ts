import { expect, test } from 'vitest';
import { InProcessRateLimiter } from '../../src/http/rateLimit.ts';

const LIMITS = { name: 'test', capacity: 3, refill: 2, perSeconds: 60 };

test('a bucket empties, says when to come back, and fills again', async () => {
  let now = 0;
  const limiter = new InProcessRateLimiter(() => now);
  for (const remaining of [2, 1, 0]) {
    expect(await limiter.take(LIMITS, 'a')).toMatchObject({ allowed: true, remaining });
  }
  expect(await limiter.take(LIMITS, 'a')).toEqual({
    allowed: false,
    remaining: 0,
    retryAfterSeconds: 30,
  });
  expect(await limiter.take(LIMITS, 'b')).toMatchObject({ allowed: true, remaining: 2 });
  now += 30_000;
  expect(await limiter.take(LIMITS, 'a')).toMatchObject({ allowed: true, remaining: 0 });
  now += 3_600_000;
  expect(await limiter.take(LIMITS, 'a')).toMatchObject({ allowed: true, remaining: 2 });
});

test('asking while it is empty does not put off the next one', async () => {
  let now = 0;
  const limiter = new InProcessRateLimiter(() => now);
  for (let index = 0; index < 3; index += 1) await limiter.take(LIMITS, 'a');
  for (let index = 0; index < 29; index += 1) {
    now += 1000;
    expect((await limiter.take(LIMITS, 'a')).allowed).toBe(false);
  }
  now += 1000;
  expect((await limiter.take(LIMITS, 'a')).allowed).toBe(true);
});
