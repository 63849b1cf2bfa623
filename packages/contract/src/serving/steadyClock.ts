const STARTED_AT = Date.now() - performance.now();

/**
 * Milliseconds since 1970 by the machine's clock as it was when this process started, and forward
 * only from there: for spans of time that must not change when someone sets that clock.
 */
export function steadyNow(): number {
  return Math.floor(STARTED_AT + performance.now());
}
