import { expect, test } from 'vitest';

import { ByteBudget } from '../../src/gateway/byteBudget.ts';

test('who finds the budget used up waits in order, and is never refused (I6)', async () => {
  const budget = new ByteBudget(10);
  const order: string[] = [];
  const first = await budget.acquire(8);
  const large = budget.acquire(9).then((lease) => {
    order.push('large');
    return lease;
  });
  const small = budget.acquire(1).then((lease) => {
    order.push('small');
    return lease;
  });
  await Promise.resolve();
  expect(order).toEqual([]);
  first.shrink(1);
  (await large)[Symbol.dispose]();
  first[Symbol.dispose]();
  first[Symbol.dispose]();
  await small;
  expect(order).toEqual(['large', 'small']);
  expect(await budget.acquire(9), 'nothing was given back twice').toBeDefined();
  await expect(budget.acquire(11)).rejects.toThrow(RangeError);
});

test('I6: who has gone does not wait any more, and keeps nobody waiting', async () => {
  const budget = new ByteBudget(10);
  const first = await budget.acquire(8);
  const gone = new AbortController();
  const large = budget.acquire(9, { signal: gone.signal });
  const small = budget.acquire(2);
  gone.abort(new Error('gone'));
  await expect(large).rejects.toThrow('gone');
  (await small)[Symbol.dispose]();
  await expect(budget.acquire(1, { signal: gone.signal })).rejects.toThrow('gone');
  first[Symbol.dispose]();
  expect(await budget.acquire(10), 'nothing is left set aside').toBeDefined();
});

test('I6: who has its share waits, and nobody waits for it', async () => {
  const budget = new ByteBudget(10, 6);
  const order: string[] = [];
  const first = await budget.acquire(4, { name: 'a' });
  const next = budget.acquire(3, { name: 'a' }).then(() => order.push('a'));
  const last = budget.acquire(1, { name: 'a' }).then(() => order.push('last'));
  (await budget.acquire(6, { name: 'b' })).shrink(3);
  await Promise.resolve();
  expect(order).toEqual([]);
  first[Symbol.dispose]();
  await Promise.all([next, last]);
  expect(order).toEqual(['a', 'last']);
  await expect(budget.acquire(7, { name: 'c' })).rejects.toThrow(RangeError);
});
