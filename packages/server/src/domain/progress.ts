import type { Progress } from '@linkspan/contract/push/messages.ts';

/** A report older than this says nothing about now, in milliseconds. */
const REPORT_FRESH_MS = 60_000;

/** What is known of a migration, as far as lag and readiness depend on it. */
export interface ProgressState {
  readonly status: string;
  readonly progress: Progress | null;
  /** When it was reported, or null. */
  readonly progressAt: string | null;
}

/**
 * Seconds that the destination is behind. Of a running migration it grows while no report comes:
 * a lag never looks better than it is (invariant I8). One that ended before its cutover has none:
 * the last that was reported says nothing of what the source has written since.
 */
export function lagSeconds(state: ProgressState, now: Date): number | null {
  const reported = state.progress?.lagSeconds ?? null;
  if (reported === null || state.progressAt === null) return null;
  if (state.status === 'FAILED' || state.status === 'EXPIRED') return null;
  if (state.status !== 'WORKING') return reported;
  const silence = Math.max(0, now.getTime() - Date.parse(state.progressAt));
  return reported + Math.floor(silence / 1000);
}

/** True only on a fresh report that says so (invariant I8). */
export function isReadyForCutover(state: ProgressState, now: Date): boolean {
  return (
    state.status === 'WORKING' &&
    state.progress?.readyForCutover === true &&
    state.progressAt !== null &&
    now.getTime() - Date.parse(state.progressAt) <= REPORT_FRESH_MS
  );
}
