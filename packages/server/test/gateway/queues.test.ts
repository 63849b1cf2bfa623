import { expect, test } from 'vitest';

import { KeyedQueues, Lanes } from '../../src/gateway/queues.ts';

test('a key is never under way twice; other keys are not held up (D13)', async () => {
  const queues = new KeyedQueues();
  const hold = Promise.withResolvers<void>();
  const log: string[] = [];
  const first = queues.run(['a'], async () => {
    log.push('first');
    await hold.promise;
    throw new Error('failed');
  });
  const both = queues.run(['a', 'b'], async () => log.push('both'));
  const last = queues.run(['b'], async () => log.push('last'));
  await queues.run(['c'], async () => log.push('other'));
  expect(log).toEqual(['first', 'other']);
  hold.resolve();
  await expect(first).rejects.toThrow('failed');
  await Promise.all([both, last]);
  expect(log).toEqual(['first', 'other', 'both', 'last']);
});

test('the same number is answered as the first time, a smaller one is stale (D13)', async () => {
  const lanes = new Lanes();
  const hold = Promise.withResolvers<void>();
  let runs = 0;
  const task = async (): Promise<number> => {
    runs += 1;
    await hold.promise;
    return runs;
  };
  const first = lanes.run(1, 5, task);
  const meanwhile = lanes.run(1, 5, task);
  hold.resolve();
  expect(await Promise.all([first, meanwhile])).toEqual([1, 1]);
  expect(await lanes.run(1, 5, task)).toBe(1);
  expect(await lanes.run(2, 1, task)).toBe(2);
  await expect(lanes.run(1, 4, task)).rejects.toMatchObject({ code: 'LANE_STALE' });
});

test('the same number is carried out again if it failed (D13)', async () => {
  const lanes = new Lanes();
  const failing = lanes.run(1, 5, async () => {
    throw new Error('failed');
  });
  await expect(failing).rejects.toThrow('failed');
  expect(await lanes.run(1, 5, async () => 'written')).toBe('written');
});
