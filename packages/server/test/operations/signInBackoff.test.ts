import { expect, test } from 'vitest';
import { FREE_FAILURES, SignInBackoff } from '../../src/operations/signInBackoff.ts';

const ADDRESS = '192.0.2.1';

function failing(backoff: SignInBackoff, times: number, name = 'key', address = ADDRESS): void {
  for (let index = 0; index < times; index += 1) backoff.failed(name, address);
}

test('C11: a hundred failures are free, then each wait is twice the last, a minute at most', () => {
  let now = 0;
  const backoff = new SignInBackoff(() => now);
  failing(backoff, FREE_FAILURES - 1);
  expect(backoff.waitSeconds('key', ADDRESS)).toBe(0);
  for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
    failing(backoff, 1);
    expect(backoff.waitSeconds('key', ADDRESS)).toBe(seconds);
    now += seconds * 1000;
    expect(backoff.waitSeconds('key', ADDRESS)).toBe(0);
  }
});

test('C11: another address and another name are not touched', () => {
  const backoff = new SignInBackoff(() => 0);
  failing(backoff, 2 * FREE_FAILURES);
  expect(backoff.waitSeconds('key', '192.0.2.2')).toBe(0);
  expect(backoff.waitSeconds('other', ADDRESS)).toBe(0);
});

test('C11: the addresses of one IPv6 network are one address', () => {
  const backoff = new SignInBackoff(() => 0);
  for (let index = 0; index < FREE_FAILURES; index += 1)
    backoff.failed('key', `2001:db8::${index}`);
  expect(backoff.waitSeconds('key', '2001:db8::ffff')).toBe(1);
  expect(backoff.waitSeconds('key', '2001:db8:0:1::1')).toBe(0);
});

test('C11: a success and a quarter of an hour without a failure start anew', () => {
  let now = 0;
  const backoff = new SignInBackoff(() => now);
  failing(backoff, FREE_FAILURES + 2);
  backoff.succeeded('key', ADDRESS);
  expect(backoff.waitSeconds('key', ADDRESS)).toBe(0);
  failing(backoff, FREE_FAILURES + 2);
  now += 15 * 60_000;
  failing(backoff, 1);
  expect(backoff.waitSeconds('key', ADDRESS)).toBe(0);
});

test('C11: what is remembered is bounded, however many names somebody sends', () => {
  const backoff = new SignInBackoff(() => 0);
  failing(backoff, FREE_FAILURES);
  for (let index = 0; index < 9_999; index += 1) backoff.failed(`name ${index}`, ADDRESS);
  expect(backoff.waitSeconds('key', ADDRESS)).toBe(1);
  backoff.failed('one more', ADDRESS);
  expect(backoff.waitSeconds('key', ADDRESS)).toBe(0);
});
