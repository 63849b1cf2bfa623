import { Listening, type Moment } from '../../src/operations/listening.ts';

/** A look every so often, in milliseconds. */
const LOOK_MS = 20_000;

/** Of a process that has listened for that long without a break. */
export function listenedFor(milliseconds: number, now: Moment): Listening {
  const ago = (ms: number): Moment => ({ wall: now.wall - ms, monotonic: now.monotonic - ms });
  const listening = new Listening(ago(milliseconds));
  for (let ms = milliseconds; ms > 0; ms -= LOOK_MS) listening.goesOn(ago(ms));
  return listening;
}
