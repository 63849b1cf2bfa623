/** What became of the requests of one step. Milliseconds. */
export interface Figures {
  readonly count: number;
  readonly errors: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
}

/**
 * The smallest value that so many percent of all values do not exceed (nearest rank).
 * @param sorted in ascending order
 * @returns NaN for no values
 */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** @param latencies in any order; those of requests that failed included */
export function figuresOf(latencies: readonly number[], errors: number): Figures {
  const sorted = Float64Array.from(latencies).toSorted();
  return {
    count: sorted.length,
    errors,
    p50: percentile(sorted, 50),
    p95: percentile(sorted, 95),
    p99: percentile(sorted, 99),
    max: percentile(sorted, 100),
  };
}
