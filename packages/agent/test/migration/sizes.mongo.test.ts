import { eventually } from '@linkspan/testkit/eventually.ts';
import { expect, it, vi } from 'vitest';
import { Sizes } from '../../src/migration/sizes.ts';
import { collection, known, step, withSteps } from '../support/step.ts';

withSteps();

it('I3: a journal that has no room when sizes are told ends no process', async () => {
  await collection('a').insertOne({ _id: 1 });
  known('a', 'PENDING');
  const update = vi.fn<() => void>(() => {
    throw new Error('database or disk is full');
  });
  const full = { ...step.journal, incarnations: { ...step.journal.incarnations, update } };
  const sizes = new Sizes(step.source, full, step.stop.signal);
  sizes.begin(false);
  // Of the answer, and of there being none: vitest fails where a rejection is nobody's.
  await eventually(() => expect(update).toHaveBeenCalledTimes(2));
  await new Promise(setImmediate);
});
