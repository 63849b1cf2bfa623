import { describe, expect, it } from 'vitest';
import { Drain } from '../../src/migration/drain.ts';
import { Flusher } from '../../src/migration/flusher.ts';
import { Structure } from '../../src/migration/structure.ts';
import { Tracker } from '../../src/migration/tracker.ts';
import { Verifier } from '../../src/migration/verifier.ts';
import { step, withSteps } from '../support/step.ts';

withSteps();

describe('a cutover', () => {
  it('D22: does not wait for ever for a side that is away while it compares', async () => {
    const pusher = { ...step.context.pusher, away: 'the server cannot be reached', waiting: null };
    step.context = { ...step.context, pusher, options: { ...step.context.options, drainMs: 50 } };
    const structure = new Structure(step.context, async () => undefined);
    const drain = new Drain(step.context, {
      tracker: new Tracker(step.context, () => undefined),
      flusher: new Flusher(step.context),
      verifier: new Verifier(step.context, () => ({ verify: 0, repair: 0 })),
      structure,
    });
    let stopped: AbortSignal | null = null;
    const compared = drain.whileAnswered('comparing names', async (signal) => {
      stopped = signal;
      await step.context.work.wait(step.context.work.version, 60_000, signal);
    });
    await expect(compared).rejects.toThrow(/comparing names had to wait .*cannot be reached/);
    expect(stopped).toMatchObject({ aborted: true });
  });
});
