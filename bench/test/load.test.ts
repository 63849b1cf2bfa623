import { expect, test } from 'vitest';
import { figuresOf, percentile } from '../src/load/figures.ts';
import { search, type Trial } from '../src/load/search.ts';

/** What is found of a service that holds so many requests a second, and how many trials it takes. */
function searched(first: number, capacity: number): { best: number | null; trials: number } {
  const trials: Trial[] = [];
  for (;;) {
    const { next, best } = search(first, trials);
    if (next === null) return { best, trials: trials.length };
    trials.push({ rate: next, held: next <= capacity });
  }
}

test('a percentile is a value that so many percent do not exceed', () => {
  const hundred = Array.from({ length: 100 }, (_, n) => n + 1);
  expect(percentile(hundred, 50)).toBe(50);
  expect(percentile(hundred, 99)).toBe(99);
  expect(percentile(hundred, 100)).toBe(100);
  expect(percentile([7], 1)).toBe(7);
  expect(percentile([1, 2, 3], 50)).toBe(2);
  expect(percentile([], 99)).toBeNaN();
});

test('figures do not depend on the order, and count what failed', () => {
  const latencies = [30, 10, 100, 20];
  const figures = { count: 4, errors: 1, p50: 20, p95: 100, p99: 100, max: 100 };
  expect(figuresOf(latencies, 1)).toEqual(figures);
  expect(figuresOf(latencies.toReversed(), 1)).toEqual(figures);
  expect(latencies).toEqual([30, 10, 100, 20]);
});

test.each([1, 19, 20, 33, 100, 640, 1000])(
  'the search comes within a tenth of what a service of %i a second holds',
  (capacity) => {
    const { best, trials } = searched(20, capacity);
    expect(best).toBeLessThanOrEqual(capacity);
    // Rates are whole numbers: of 1 a second the next is twice as much.
    expect(best).toBeGreaterThanOrEqual(Math.max(1, Math.floor(capacity / 1.1) - 1));
    expect(trials).toBeLessThanOrEqual(15);
  },
);

test('the search ends where not even one request a second holds', () => {
  expect(searched(20, 0.5).best).toBeNull();
});

test('a rate that held once and not the second time has not held', () => {
  const trials = [
    { rate: 20, held: true },
    { rate: 40, held: true },
    { rate: 80, held: false },
    { rate: 40, held: false },
  ];
  expect(search(20, trials)).toEqual({ next: 28, best: 20 });
});
