import * as nonceUses from '../store/nonceUses.ts';
import * as rateLimitBuckets from '../store/rateLimitBuckets.ts';
import type { Store } from '../store/store.ts';
import type { Log } from './context.ts';
import { Periodic } from './periodic.ts';

const PERIOD_MS = 60_000;
/** By then every bucket is full again. */
const UNUSED_SECONDS = 600;

/** Clears away what nodes share for a while only. Each of them does it; none has to. */
export class SharedStateSweep {
  readonly #periodic: Periodic;

  constructor(store: Store, log: Log) {
    this.#periodic = new Periodic(PERIOD_MS, async () => {
      const { db, dialect } = store;
      if (!dialect.isShared) return;
      try {
        await nonceUses.removeExpired(db, dialect);
        await rateLimitBuckets.removeUnused(db, dialect, UNUSED_SECONDS);
      } catch (error) {
        log.warn({ err: error }, 'what nodes share for a while cannot be cleared away yet');
      }
    });
  }

  start(): void {
    this.#periodic.start();
  }

  close(): Promise<void> {
    return this.#periodic.stop();
  }
}
