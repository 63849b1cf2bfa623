import { expect, it } from 'vitest';
import { torture } from '../torture/run.ts';

/** The same in every run, so that a change is what a failure comes from: `npm run torture` draws others. */
const SEEDS = ['7', '271807821'];

/** Each of its rounds may take minutes to catch up. */
const timeout = 600_000;

it(
  `I2, I3: odd workload under faults ends equal, seeds ${SEEDS.join(' and ')}`,
  { timeout },
  async () => {
    const options = { seeds: SEEDS, seconds: 5, faults: 2, logDirectory: 'torture-logs' };
    const figures = await torture(options);
    expect(figures.differences).toEqual([]);
    expect(figures.rounds).toBe(SEEDS.length);
    expect(figures.faultCount).toBeGreaterThanOrEqual(SEEDS.length * (options.faults + 1));
    expect(figures.documents).toBeGreaterThan(2000);
  },
);
