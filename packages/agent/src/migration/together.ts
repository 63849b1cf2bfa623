/**
 * Runs steps side by side until the first of them ends, as it ends. The others are then stopped, and
 * have ended when this settles.
 * @param start is given the signal that stops the steps
 */
export async function untilFirst<T>(
  signal: AbortSignal,
  start: (signal: AbortSignal) => readonly Promise<T>[],
): Promise<T> {
  const stop = new AbortController();
  const steps = start(AbortSignal.any([signal, stop.signal]));
  try {
    return await Promise.race(steps);
  } finally {
    stop.abort(new Error('the migration has stopped'));
    await Promise.allSettled(steps);
  }
}
