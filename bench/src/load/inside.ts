import { appendFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import pg from 'pg';

/**
 * Preloaded into a server node: once a second it adds a line of JSON to the file that BENCH_INSIDE
 * names, an {@link InsideReading}.
 */
export interface InsideReading {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Share of the last second in which the event loop was busy: 1 is all of it. */
  readonly eventLoop: number;
  /** The longest that the event loop was late by, in milliseconds. */
  readonly longestDelay: number;
  /** How often a connection to the store was asked for, how long that took altogether and at most. */
  readonly store: { readonly asked: number; readonly waited: number; readonly longest: number };
}

const EVERY_MS = 1000;
const file = process.env['BENCH_INSIDE'] ?? '';
const delays = monitorEventLoopDelay({ resolution: 5 });
delays.enable();

let store = { asked: 0, waited: 0, longest: 0 };
const pools = pg.Pool.prototype as { connect: (this: pg.Pool) => Promise<pg.PoolClient> };
const { connect } = pools;
pools.connect = async function timed() {
  const asked = performance.now();
  try {
    return await connect.call(this);
  } finally {
    const waited = performance.now() - asked;
    store = {
      asked: store.asked + 1,
      waited: store.waited + waited,
      longest: Math.max(store.longest, waited),
    };
  }
};

let last = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  const { utilization: eventLoop } = performance.eventLoopUtilization(now, last);
  last = now;
  const reading: InsideReading = {
    at: Date.now(),
    eventLoop,
    longestDelay: delays.max / 1e6,
    store,
  };
  delays.reset();
  store = { asked: 0, waited: 0, longest: 0 };
  appendFileSync(file, `${JSON.stringify(reading)}\n`);
}, EVERY_MS).unref();
