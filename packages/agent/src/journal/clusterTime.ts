/**
 * A source's cluster time: seconds and increment in one number, so that comparing is `<`.
 * MongoDB's own timestamps order by seconds, then increment.
 */
export type ClusterTime = bigint;

export const NO_TIME: ClusterTime = 0n;

/** 16 hex digits: texts compare as the times do. */
export function encodeTime(time: ClusterTime): string {
  return time.toString(16).padStart(16, '0');
}

export function decodeTime(text: string): ClusterTime {
  return BigInt(`0x${text}`);
}

/** Whole seconds since 1970. */
export function secondsOf(time: ClusterTime): number {
  return Number(time >> 32n);
}
