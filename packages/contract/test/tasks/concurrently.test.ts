import { expect, test } from 'vitest';
import { concurrently } from '../../src/tasks/concurrently.ts';

test('runs so many at once and keeps the order', async () => {
  let running = 0;
  let most = 0;
  const doubled = await concurrently([3, 1, 2], 2, async (item) => {
    running += 1;
    most = Math.max(most, running);
    for (let turn = 0; turn < item; turn += 1) await Promise.resolve();
    running -= 1;
    return item * 2;
  });
  expect(doubled).toEqual([6, 2, 4]);
  expect(most).toBe(2);
});

test('comes back from a failure when nothing is under way any more', async () => {
  const held = Promise.withResolvers<void>();
  const done: number[] = [];
  const all = concurrently([1, 2, 3], 2, async (item) => {
    if (item === 2) throw new Error('refused');
    await held.promise;
    done.push(item);
  });
  held.resolve();
  await expect(all).rejects.toThrow('refused');
  expect(done, 'the one under way has ended, and no other began').toEqual([1]);
});
