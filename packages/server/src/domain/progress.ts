import type { Progress } from '@linkspan/contract/push/progress.ts';

/** A report older than this says nothing about now, in milliseconds. */
const REPORT_FRESH_MS = 60_000;

/** Clocks of server nodes differ, and are corrected, by so much, in milliseconds. */
const CLOCK_STEP_MS = 5000;

/** What is known of a migration, as far as lag and readiness depend on it. */
export interface ProgressState {
  readonly status: string;
  readonly isPaused: boolean;
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
  if (state.status === 'COMPLETE') return reported;
  const silence = Math.max(0, now.getTime() - Date.parse(state.progressAt));
  return reported + Math.floor(silence / 1000);
}

/** True only on a fresh report that says so (invariant I8). */
export function isReadyForCutover(state: ProgressState, now: Date): boolean {
  return (
    state.status === 'WORKING' &&
    !state.isPaused &&
    state.progress?.readyForCutover === true &&
    isFresh(state, now)
  );
}

/**
 * The last report as it may be shown: what it says of this moment (rates, what is left, what holds it
 * back) is gone once it is old, paused or ended (invariant I8).
 */
export function shownProgress(state: ProgressState, now: Date): Progress | null {
  const { progress } = state;
  if (progress === null) return null;
  if (state.status === 'WORKING' && !state.isPaused && isFresh(state, now)) return progress;
  return { ...progress, rates: null, etaSeconds: null, holdingBack: null };
}

/**
 * What the host said is wrong or needs care, and what only the server can know: that it is silent.
 * Empty for a migration that has ended.
 */
export function warningsOf(state: ProgressState, now: Date): string[] {
  if (state.status !== 'NEW' && state.status !== 'WORKING') return [];
  const warnings = [...(state.progress?.warnings ?? [])];
  if (state.progressAt === null || isFresh(state, now)) return warnings;
  const seconds = Math.floor((now.getTime() - Date.parse(state.progressAt)) / 1000);
  warnings.push(
    `Its migration host has not reported for ${seconds} seconds. While it does not run, the changes of the source are not followed: the longer that lasts, the likelier its oplog has lost them, and then everything is compared again.`,
  );
  return warnings;
}

/** A report that seems to come from later than now, because the clock was set back, is none of now. */
function isFresh({ progressAt }: ProgressState, now: Date): boolean {
  if (progressAt === null) return false;
  const silence = now.getTime() - Date.parse(progressAt);
  return silence >= -CLOCK_STEP_MS && silence <= REPORT_FRESH_MS;
}
