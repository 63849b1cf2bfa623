import { expect, it } from 'vitest';
import { whyNotReady } from '../../src/operations/liveMigrationView.ts';
import type { LiveMigrationRow } from '../../src/store/schema.ts';

it.each([
  { waitingFor: null, says: 'it is COPYING, 7 changes pending' },
  {
    waitingFor: 'it was interrupted and is begun again: no',
    says: 'it is COPYING, 7 changes pending; it waits: it was interrupted and is begun again: no',
  },
])(
  'I8: what a migration waits for does not hide how it stands: $waitingFor',
  ({ waitingFor, says }) => {
    const progress = { phase: 'COPYING', keysPending: 7, readyForCutover: false, waitingFor };
    const row = { status: 'WORKING', paused_at: null, progress_at: null };
    expect(whyNotReady({ ...row, progress: JSON.stringify(progress) } as LiveMigrationRow)).toBe(
      says,
    );
  },
);
