import { eventually } from '@linkspan/testkit/eventually.ts';
import { describe, expect, it } from 'vitest';
import { Tracker } from '../../src/migration/tracker.ts';
import { app, known, running, step, withSteps } from '../support/step.ts';

withSteps();

describe('the tracker', () => {
  it('D1: after lost history nothing new is taken for complete before it was listed', async () => {
    known('a', 'COPIED');
    step.journal.saveListedAt(1n);
    let isRelistWanted = false;
    running(new Tracker(step.context, () => (isRelistWanted = true)));
    // The journal holds no token that a source could go on from.
    await eventually(() => expect(isRelistWanted).toBe(true));
    expect(step.journal.state()?.listedAt).toBeNull();
    expect(step.journal.incarnations.byName(app('a'))?.toRepair).toBe(true);
  });
});
