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
