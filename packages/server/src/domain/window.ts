import { apiTime } from './time.ts';

/** Hours before the end of a window at which people are warned of it, in falling order. */
const WARNING_HOURS = [24, 6, 1] as const;

const HOUR_MS = 60 * 60_000;

/** The window of a live migration, as the store keeps it. */
export interface MigrationWindow {
  readonly window_hours: number;
  readonly window_began_at: string | null;
  readonly window_warned_hours: number | null;
}

/** When the window ends, or null while it has not begun. */
export function endOf({
  window_hours: hours,
  window_began_at: began,
}: MigrationWindow): Date | null {
  return began === null ? null : new Date(Date.parse(began) + hours * HOUR_MS);
}

export function isOver(window: MigrationWindow, now: Date): boolean {
  const end = endOf(window);
  return end !== null && now.getTime() >= end.getTime();
}

/**
 * The warning that is to be given now and was not yet, in hours before the end. One that was missed,
 * because no server ran, is not given late once a later one is due. A warning that says more than the
 * whole window is none.
 */
export function dueWarning(window: MigrationWindow, now: Date): number | null {
  const end = endOf(window);
  if (end === null) return null;
  const left = end.getTime() - now.getTime();
  const due = WARNING_HOURS.filter(
    (hours) => left <= hours * HOUR_MS && hours < window.window_hours,
  ).at(-1);
  const warned = window.window_warned_hours ?? Infinity;
  return due !== undefined && due < warned ? due : null;
}

/**
 * What people are told once they were warned. It rests on what is stored and not on the clock, so that
 * a clock that jumps takes nothing back.
 */
export function windowWarning(window: MigrationWindow): string | null {
  const end = endOf(window);
  if (end === null || window.window_warned_hours === null) return null;
  const hours = window.window_warned_hours;
  return `Less than ${hours === 1 ? 'an hour' : `${hours} hours`} of its window are left: it becomes EXPIRED at ${apiTime(end.toISOString())} unless it is cut over before, or the window is extended.`;
}
