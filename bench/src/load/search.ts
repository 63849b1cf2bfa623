export interface Search {
  /** The rate to try next, or null at the end. */
  readonly next: number | null;
  /** The highest rate that held, or null while none has. */
  readonly best: number | null;
}

export interface Trial {
  readonly rate: number;
  readonly held: boolean;
}

/** A step between two rates that is not worth a trial: a tenth of the lower one. */
const FINE = 1.1;

/**
 * Finds the highest rate that holds: doubles it until it does not, then halves what is between (as
 * ratios), until the two are close. A rate that held once and not the second time has not held.
 * @param first the rate to begin with, in requests a second
 */
export function search(first: number, trials: readonly Trial[]): Search {
  const failed = Math.min(...trials.filter(({ held }) => !held).map(({ rate }) => rate), Infinity);
  const held = trials.filter((trial) => trial.held && trial.rate < failed).map(({ rate }) => rate);
  const best = held.length === 0 ? null : Math.max(...held);
  if (failed === Infinity) return { next: best === null ? first : best * 2, best };
  if (best === null) return { next: failed > 1 ? Math.max(1, Math.round(failed / 2)) : null, best };
  const next = Math.round(Math.sqrt(best * failed));
  const isClose = failed / best <= FINE || next === best || next === failed;
  return { next: isClose ? null : next, best };
}
