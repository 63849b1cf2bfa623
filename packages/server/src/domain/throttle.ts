import type { ThrottleChange } from '@linkspan/contract/api/liveMigrations.ts';
import type { Throttle } from '@linkspan/contract/push/work.ts';

/**
 * What a throttle is after a change: an attribute that is absent stays.
 * @returns null where nothing is limited
 */
export function changedThrottle(
  before: Throttle | null,
  change: ThrottleChange | null,
): Throttle | null {
  if (change === null) return null;
  const {
    bytesPerSecond = before?.bytesPerSecond ?? null,
    documentsPerSecond = before?.documentsPerSecond ?? null,
  } = change;
  if (bytesPerSecond === null && documentsPerSecond === null) return null;
  return { bytesPerSecond, documentsPerSecond };
}
