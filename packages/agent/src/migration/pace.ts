import type { HoldingBack, Phase, Rates } from '@linkspan/contract/push/progress.ts';
import type { Window } from './meter.ts';

/** The rates of a window, to one place. */
export function ratesOf({ seconds, from, to, bytesPushed }: Window): Rates {
  const rate = (amount: number): number => Math.round((Math.max(0, amount) / seconds) * 10) / 10;
  return {
    documentsPerSecond: rate(to.documentsCopied - from.documentsCopied),
    bytesPerSecond: rate(bytesPushed),
    changesPerSecond: rate(to.documentsFlushed - from.documentsFlushed),
    wireBytesPerSecond: rate(to.bytesSent - from.bytesSent),
  };
}

/**
 * Seconds until the phase is done, at the pace of the window: of COPYING, until all is copied; of
 * TAILING, until no change is pending, which takes longer than their number says while new ones come.
 * @param bytesLeft null while not every collection was measured
 * @returns null where the pace does not tell
 */
export function etaSeconds(phase: Phase, window: Window, bytesLeft: number | null): number | null {
  const { seconds, from, to } = window;
  if (phase === 'COPYING') {
    return bytesLeft === null
      ? null
      : timeFor(bytesLeft, to.bytesCopied - from.bytesCopied, seconds);
  }
  if (phase !== 'TAILING') return null;
  return timeFor(to.keysPending, from.keysPending - to.keysPending, seconds);
}

function timeFor(left: number, done: number, seconds: number): number | null {
  if (left === 0) return 0;
  return done <= 0 ? null : Math.ceil((left / done) * seconds);
}

/**
 * What the migration would be faster without. Where it waits longest for its throttle, it is that. Where steps wait for what they pushed, that is the
 * destination or the way to it, whichever took more of that time; else it is the source.
 * @param isWaiting for something that does not answer or refuses
 * @returns null where there is nothing to do, or it cannot be told yet
 */
export function holdingBack(
  phase: Phase,
  isWaiting: boolean,
  window: Window | null,
): HoldingBack | null {
  if (isWaiting) return 'WAITING';
  if (phase === 'INDEXING') return 'DESTINATION';
  if (window === null) return null;
  if (phase === 'TAILING' && window.to.keysPending === 0) return null;
  const { waited, destinationMs, networkMs } = window;
  if (waited.throttle > Math.max(waited.source, waited.push)) return 'THROTTLE';
  if (waited.source === 0 && waited.push === 0) return null;
  if (waited.source >= waited.push) return 'SOURCE';
  return destinationMs >= networkMs ? 'DESTINATION' : 'NETWORK';
}
