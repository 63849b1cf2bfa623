import { expect, test } from 'vitest';
import { Listening, type Moment } from '../../src/operations/listening.ts';

const LINK = 'link';

/** Looks every five seconds, by clocks that the test may set apart. */
function startListening() {
  let now: Moment = { wall: 1_000_000, monotonic: 50 };
  const listening = new Listening(now);
  return {
    listening,
    now: () => now,
    heardSeconds: (linkId = LINK) => listening.heardMs(linkId, now) / 1000,
    pass(seconds: number, stepped = 0): boolean {
      const ms = seconds * 1000;
      now = { wall: now.wall + ms + stepped * 1000, monotonic: now.monotonic + ms };
      return listening.goesOn(now);
    },
    look(times: number, suspended: readonly string[] = []): void {
      for (let count = 0; count < times; count++) {
        expect(this.pass(5)).toBe(true);
        listening.refuses(suspended, now);
      }
    },
  };
}

test('a clock that was set, or that stood still with its machine, is a break', () => {
  const looks = startListening();
  looks.look(100);
  expect(looks.heardSeconds()).toBe(500);
  expect(looks.pass(5, 3600), 'set forward, or the machine was suspended').toBe(false);
  expect(looks.heardSeconds()).toBe(0);
  looks.look(10);
  expect(looks.pass(5, -60), 'set back').toBe(false);
  looks.look(10);
  expect(looks.pass(5, 1), 'followed by the network').toBe(true);
  expect(looks.heardSeconds()).toBe(55);
});

test('a process that stood still is a break', () => {
  const looks = startListening();
  looks.look(100);
  expect(looks.pass(20)).toBe(true);
  expect(looks.pass(600)).toBe(false);
  expect(looks.heardSeconds()).toBe(0);
});

test('C8: hosts of a link that waits for an owner are not heard', () => {
  const looks = startListening();
  looks.look(100, [LINK]);
  expect(looks.heardSeconds()).toBe(0);
  expect(looks.heardSeconds('other')).toBe(500);
  looks.look(2);
  expect(looks.heardSeconds()).toBe(10);
  looks.listening.startAnew(looks.now());
  looks.look(1);
  expect([looks.heardSeconds(), looks.heardSeconds('other')]).toEqual([5, 5]);
});
